package broker

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// Source is where messages are taken from: a queue.
type Source interface {
	// Subscribe starts taking messages. prefetch, at least 1, bounds how many may be
	// taken and not yet settled. ctx bounds the call, not the subscription. An error
	// means that there is nothing to close.
	Subscribe(ctx context.Context, prefetch int) (Subscription, error)
}

// Subscription hands out the messages of one [Source]. Its methods may be called by
// many goroutines at once.
type Subscription interface {
	// Receive waits for the next message. It returns ctx's error when ctx ends first,
	// io.EOF after Stop or when the source has ended, and any other error when the
	// source is broken for good: a lost connection is the source's own to mend.
	Receive(ctx context.Context) (processor.Message, error)
	// Stop takes no more messages, and gives back those that nobody has received, in
	// whatever order the broker takes them back. Messages in hand can still be settled.
	// It works twice, and returns when ctx ends.
	Stop(ctx context.Context) error
	// Close takes no more messages and lets go of everything. Messages that are still
	// unsettled, received or not, go back to the broker all at once and in the order in
	// which they came, ahead of those that were never handed out: whoever subscribes when
	// it has returned nil gets them first. Settling them later returns [processor.ErrStale].
	// It needs no Stop before it, works twice, and returns when ctx ends.
	Close(ctx context.Context) error
}
