package memory

import "github.com/gowarren/warren/processor"

// Drop is a message that the broker dropped unacked. RabbitMQ does this silently.
type Drop struct {
	// Queue is the queue that it was in.
	Queue string
	// Death is why it left the queue, as x-death has it: rejected, expired, maxlen or
	// delivery_limit. It is empty if the queue itself expired.
	Death string
	// Why says, in a few words, why no other queue has it.
	Why string
	// Envelope is the message. It must not be changed.
	Envelope processor.Envelope
}

// OnDrop sets a function that is called with every message that is dropped unacked: by a
// queue without a dead-letter exchange, to a target that does not exist or is full, in
// a dead-letter cycle, or with a queue that expired. f is called by the goroutine that caused the
// drop, or by a timer, with no lock held; it may be called by many goroutines at once.
// It must not call [Broker.Close], which waits for it. A panic is logged with [slog.Default].
// Default, also for nil: nothing is called.
func OnDrop(f func(Drop)) Option {
	return func(b *Broker) { b.onDrop = f }
}

// drop keeps the report until the mutex is unlocked.
func (b *Broker) drop(q *queue, m *message, death, why string) {
	if b.onDrop != nil {
		b.drops = append(b.drops, Drop{Queue: q.name, Death: death, Why: why, Envelope: m.envelope})
	}
}
