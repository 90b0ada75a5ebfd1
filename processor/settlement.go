package processor

import "errors"

var (
	// ErrSettled is returned by the second settlement of a message. Nothing was sent.
	ErrSettled = errors.New("processor: message is settled already")

	// ErrStale is returned by a settlement that came after its channel was gone.
	// Nothing was sent, and nothing need be: the broker redelivers the message.
	// It is not a failure of the handler.
	ErrStale = errors.New("processor: the channel of this message is gone; the broker delivers it again")
)
