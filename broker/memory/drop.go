package memory

import "github.com/gowarren/warren/processor"

// Drop is a message that the broker let go of although nobody acked it. RabbitMQ does
// this without a word.
type Drop struct {
	// Queue is the queue that it was in.
	Queue string
	// Death is why it left the queue, as x-death has it: rejected, expired, maxlen or
	// delivery_limit. It is empty if the queue itself expired.
	Death string
	// Why says, in a few words, why it went nowhere else.
	Why string
	// Envelope is the message. It must not be changed.
	Envelope processor.Envelope
}

// OnDrop sets a function that is told of every message that is let go of unacked: by a
// queue without a dead-letter exchange, to a target that does not exist or is full, in
// a dead-letter cycle, or with a queue that expired. f is called by whoever caused the
// drop, or by a timer, with no lock held; it may be called by many goroutines at once.
// It must not call [Broker.Close], which waits for it. A panic is logged with [slog.Default].
// The default, and nil, is nobody.
func OnDrop(f func(Drop)) Option {
	return func(b *Broker) { b.onDrop = f }
}

// drop keeps the report until the mutex is free.
func (b *Broker) drop(q *queue, m *message, death, why string) {
	if b.onDrop != nil {
		b.drops = append(b.drops, Drop{Queue: q.name, Death: death, Why: why, Envelope: m.envelope})
	}
}
