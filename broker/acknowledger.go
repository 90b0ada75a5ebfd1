package broker

import "context"

// Acknowledger sends settlements to a broker. A source supplies one, bound to the
// channel that the deliveries came from: a tag of another channel must never reach
// the broker, so an Acknowledger whose channel is gone returns [processor.ErrStale].
//
// It is called at most once for each tag, from any goroutine.
type Acknowledger interface {
	// Ack says that the delivery is dealt with.
	Ack(tag uint64) error
	// Nack says that the delivery failed. It counts as an attempt.
	Nack(tag uint64, requeue bool) error
	// Release gives the delivery back untouched. Where the broker can tell the
	// difference it does not count as an attempt.
	Release(tag uint64) error
}

// Perishable is implemented by an [Acknowledger] whose channel can be lost, and by messages
// that settle through one. Where the channel is gone, the broker delivers the message again,
// and what is still done for this delivery may be done twice. It is for whoever runs a
// pipeline; processors see the end of the context of their Process.
type Perishable interface {
	// Life returns a context that ends when the channel is gone, with a cause that wraps
	// [processor.ErrStale]. It is the same one for all deliveries of a channel.
	Life() context.Context
}

// Holder is implemented by an [Acknowledger] whose broker may keep a message that failed (Nack
// with requeue) for a while before it delivers it again. The others, and a message that was
// given back untouched, are delivered again at once.
type Holder interface {
	// Holds reports whether the broker does so with the messages of this channel.
	Holds() bool
}
