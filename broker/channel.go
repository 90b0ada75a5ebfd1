package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// Channel is shared by the deliveries of one channel: it knows whether that is lost, and has the
// context of their handlers. A source makes one for each channel that it opens, or, where it
// cannot tell channels apart, for each subscription.
type Channel struct {
	// HoldsFailed says that the broker may delay a message that failed (Nack with requeue)
	// before it redelivers it. It is set before the first delivery. Other messages, and those
	// given back untouched, are redelivered at once.
	HoldsFailed bool

	handlers context.Context //nolint:containedctx // of all handlers of this channel
	life     context.Context //nolint:containedctx // ends when the channel is lost
	lose     context.CancelCauseFunc
	end      context.CancelCauseFunc // of handlers

	returning func(*Delivery, <-chan struct{}) // may be nil
}

// NewChannel returns a channel that is open, for a subscription with these options. It must be
// ended with [Channel.Lose].
func NewChannel(o SubscribeOptions) *Channel {
	c := &Channel{returning: o.Returning}
	c.life, c.lose = context.WithCancelCause(context.Background())
	base := o.Base
	if base == nil {
		base = context.Background()
	}
	handlers, end := base, func(error) {}
	if !o.FinishLost {
		handlers, end = context.WithCancelCause(base)
	}
	c.handlers, c.end = processor.WithChannel(handlers, c.life), end
	return c
}

// Lose says that the channel is gone, and why. The broker redelivers the messages that were
// unsettled on it. The contexts end with a cause that wraps [processor.ErrStale]. The first call
// counts; it may come from any goroutine.
func (c *Channel) Lose(cause error) {
	switch {
	case cause == nil:
		cause = processor.ErrStale
	case !errors.Is(cause, processor.ErrStale):
		cause = fmt.Errorf("%w: %w", processor.ErrStale, cause)
	}
	c.lose(cause)
	c.end(cause)
}

// Lost reports whether the channel is gone.
func (c *Channel) Lost() bool { return c.life.Err() != nil }

// Life ends when the channel is gone, with the cause that was given to [Channel.Lose].
func (c *Channel) Life() context.Context { return c.life }

// Deliver returns a delivery of the channel; see [NewDelivery].
func (c *Channel) Deliver(e processor.Envelope, o processor.Origin, acks Acknowledger, tag uint64) *Delivery {
	return &Delivery{envelope: e, origin: o, acks: acks, tag: tag, channel: c}
}
