package memory

import (
	"github.com/gowarren/warren/broker/memory/internal/version"
	"github.com/gowarren/warren/processor"
)

// Option sets up a [Broker].
type Option func(*options)

type options struct {
	model  *version.Model
	onDrop func(Drop)
}

// Version sets the version of RabbitMQ that the broker behaves like: the newest of 3.10,
// 4.0 and 4.3 that is not newer than major.minor, and 3.10 for all before. Default: 4.3.
//
//	b := memory.New(memory.Version(3, 10))
func Version(major, minor int) Option {
	return func(o *options) { o.model = version.Of(major, minor) }
}

// OnDrop sets a function that is called with every message that is dropped unacked: by a
// queue without a dead-letter exchange, to a target that does not exist or is full, in
// a dead-letter cycle, or with a queue that expired. f is called by the goroutine that caused the
// drop, or by a timer, with no lock held; it may be called by many goroutines at once.
// It must not call [Broker.Close], which waits for it. A panic is logged with [slog.Default].
// Default, also for nil: nothing is called.
func OnDrop(f func(Drop)) Option { return func(o *options) { o.onDrop = f } }

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
