package processor

import (
	"context"
	"errors"
)

// Publisher hands messages to a broker. It may be called by many goroutines at once.
//
// Publish returns nil only when the broker has the message: it has confirmed it and
// has routed it to at least one queue. Any error means that it may not; the ones below
// say which, for errors.Is. Publish waits as long as ctx allows, and does not keep e's
// body or headers after it returns.
//
// # Decorators
//
// A publisher that decorates another has a method
//
//	Unwrap() Publisher
//
// that returns it, so that what it can tell is not hidden: whether it can work at all
// ([Checker]), and whether what a layer needs can be declared. Embedding the other is not
// enough. What acts goes through the decorator: it is a [BatchPublisher] itself if it has
// something to do for batches, and [PublishBatch] is how it hands one on. Without that,
// batches come as single messages. A decorator that is given nil says so in its own Check, or
// returns it from Unwrap, which [Check] finds.
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
	// ErrRefused: the broker said no, as a full queue with reject-publish does. The
	// message is not stored in every queue it was meant for.
	ErrRefused = errors.New("the broker refused the message")
	// ErrForbidden: the user may not publish this, for its user id or its reply-to, or to
	// that exchange.
	// Trying again changes nothing. The message is not stored, unless the error is
	// ErrIndeterminate as well.
	ErrForbidden = errors.New("the user may not publish this message")
	// ErrIndeterminate: the answer was lost. The message may be stored or not.
	ErrIndeterminate = errors.New("the broker's answer was lost; the message may be stored or not")
	// ErrBlocked: the broker takes no messages for now. The message is not stored.
	ErrBlocked = errors.New("the broker takes no messages for now")
	// ErrTooLarge: a key, property, header or body is over the protocol's or the
	// broker's limit. The message is not stored.
	ErrTooLarge = errors.New("the message is over a size limit")
	// ErrHeaderType: a header has a type that no broker carries; see [Headers].
	// Nothing was sent.
	ErrHeaderType = errors.New("a header has a type that cannot be sent")
	// ErrClosed: the publisher, or the broker it belongs to, is closed.
	ErrClosed = errors.New("closed")
)
