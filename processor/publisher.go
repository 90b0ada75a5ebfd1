package processor

import (
	"context"
	"errors"
)

// Publisher sends messages to a broker. It may be called by many goroutines at once.
//
// Publish returns nil only when the broker has confirmed the message and routed it to at
// least one queue. After an error the broker may not have it; the errors below say more, for
// errors.Is. Publish waits as long as ctx allows, and does not keep e's
// body or headers after it returns.
//
// # Decorators
//
// A publisher that decorates another has a method
//
//	Unwrap() Publisher
//
// that returns the other, so that its reports are not hidden: whether it can work at all
// ([Checker]), and whether a topology that a layer needs can be declared. Embedding the other is
// not enough. Actions go through the decorator: to handle batches, it is a [BatchPublisher] itself,
// and passes a batch on with [PublishBatch]. Without that,
// batches come as single messages. A decorator of nil returns an error from its own Check, or
// returns nil from Unwrap, which [Check] finds.
type Publisher interface {
	Publish(ctx context.Context, to Destination, e Envelope) error
}

// PublisherFunc makes a function a [Publisher].
type PublisherFunc func(ctx context.Context, to Destination, e Envelope) error

// Publish calls f.
func (f PublisherFunc) Publish(ctx context.Context, to Destination, e Envelope) error {
	return f(ctx, to, e)
}

// The ways in which publishing fails.
var (
	// ErrUnroutable: no queue is bound for the key, or the exchange does not exist.
	// The message is not stored.
	ErrUnroutable = errors.New("no queue takes this message")
	// ErrRefused: the broker said no, as a full queue with reject-publish does. At least
	// one queue that the message was routed to has not stored it.
	ErrRefused = errors.New("the broker refused the message")
	// ErrForbidden: the user may not publish a message with that user id or reply-to, or to
	// that exchange. Trying again does not help. The message is not stored, unless the error is
	// ErrIndeterminate as well.
	ErrForbidden = errors.New("the user may not publish this message")
	// ErrIndeterminate: the answer was lost. The message may be stored or not.
	ErrIndeterminate = errors.New("the broker's answer was lost; the message may be stored or not")
	// ErrBlocked: the broker takes no messages for now. The message is not stored.
	ErrBlocked = errors.New("the broker takes no messages for now")
	// ErrSilent: this destination does not answer, though the broker does, as with a queue that
	// hangs. The error is ErrBlocked or ErrIndeterminate as well, which says more of the message. Not
	// every publisher can tell.
	ErrSilent = errors.New("the destination does not answer")
	// ErrTooLarge: a key, property, header or body is over the protocol's or the
	// broker's limit. The message is not stored.
	ErrTooLarge = errors.New("the message is over a size limit")
	// ErrHeaderType: a header has a type that no broker carries; see [Headers].
	// Nothing was sent.
	ErrHeaderType = errors.New("a header has a type that cannot be sent")
	// ErrClosed: the publisher, or the broker it belongs to, is closed.
	ErrClosed = errors.New("closed")
)

// Transactional is implemented by a [Publisher] that writes messages into a database in the transaction of
// its context, and sends them only after the commit. See [WithinTransaction].
type Transactional interface {
	WithinTransaction() bool
}

// WithinTransaction reports whether what p publishes is part of a transaction: p, or what it decorates, is
// [Transactional] and says so.
func WithinTransaction(p Publisher) bool {
	for inner := range Decorated(p) {
		if t, ok := inner.(Transactional); ok {
			return t.WithinTransaction()
		}
	}
	return false
}
