package processor

import (
	"context"
	"errors"
)

// CutShort reports whether the processing of the message that ctx belongs to was cut short, because
// the run is over ([ShuttingDown]) or its channel is gone ([Lost]): it has not failed, and is
// delivered again. The end of a context that a layer or a user has made of the message's, such as
// one with a deadline, cuts nothing short: what fails then has failed.
//
// A message whose runner has not said which context is its own ([WithChannel]) is cut short by the
// end of any.
func CutShort(ctx context.Context) bool { return own(ctx).Err() != nil || Lost(ctx) }

// ShuttingDown reports whether the message's context ended because the run is over; see [ErrShutdown].
func ShuttingDown(ctx context.Context) bool { return endedBy(own(ctx), ErrShutdown) }

// Lost reports whether the channel of the message that ctx belongs to is gone. The broker
// redelivers the message, whatever its processing returns.
func Lost(ctx context.Context) bool {
	if l, ok := lifeOf(ctx); ok {
		return l.channel.Err() != nil
	}
	return endedBy(ctx, ErrStale)
}

func endedBy(ctx context.Context, reason error) bool {
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), reason)
}

// InFlight returns a context with the values of ctx that ends with the message's own, as for
// [CutShort]: for what must be done about a message that has failed at a deadline of its own, such
// as publishing the copy for its retry. A context that never ends, as of [context.WithoutCancel], stays so. The
// function must be called when that is done.
func InFlight(ctx context.Context) (context.Context, context.CancelFunc) {
	l, ok := lifeOf(ctx)
	if !ok || ctx.Done() == nil || l.message.Done() == ctx.Done() {
		return ctx, func() {}
	}
	longer, end := context.WithCancelCause(context.WithoutCancel(ctx))
	follow := func() { end(context.Cause(l.message)) }
	if l.message.Err() != nil {
		follow() // already, and not in a moment
	}
	stop := context.AfterFunc(l.message, follow)
	return longer, func() { stop(); end(nil) }
}

// WithChannel returns a context that knows the message's own, which is ctx, and its channel: channel
// ends when the broker's channel is gone. So [Lost] works even if ctx lives on, or has ended before, and
// [CutShort] whatever others derive from it. It is for authors of brokers.
func WithChannel(ctx, channel context.Context) context.Context {
	return context.WithValue(ctx, lifeKey{}, life{ctx, channel})
}

type lifeKey struct{}

// life is what the context of a message knows of it.
type life struct {
	message context.Context //nolint:containedctx // the message's own
	channel context.Context //nolint:containedctx // ends when the channel is gone
}

func lifeOf(ctx context.Context) (life, bool) {
	l, ok := ctx.Value(lifeKey{}).(life)
	return l, ok
}

// own is the message's own context, which others may have derived ctx from.
func own(ctx context.Context) context.Context {
	if l, ok := lifeOf(ctx); ok {
		return l.message
	}
	return ctx
}
