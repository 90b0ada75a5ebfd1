package processor

import "errors"

var (
	// ErrSettled is returned by the second settlement of a message. Nothing was sent.
	ErrSettled = errors.New("processor: message is settled already")

	// ErrStale is returned by a settlement that came after its channel was gone.
	// Nothing was sent, and nothing is owed: the broker delivers the message again.
	// It is not a failure of the handler.
	ErrStale = errors.New("processor: the channel of this message is gone; the broker delivers it again")
)

// Releaser is implemented by messages that can be given back untouched, without
// counting as a failed attempt, and that know whether they went back. It is for whoever
// runs a pipeline; processors have no use for it.
type Releaser interface {
	// Release gives the message back to its queue. It settles the message.
	Release() error
	// Returned reports whether the message was given back to its queue, by Release or
	// by Nack with requeue.
	Returned() bool
}
