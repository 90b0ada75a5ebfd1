package consumer

import (
	"context"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

// lives gives the messages of a channel a context that ends with that channel as well. It is
// made once for each channel and not for each message. Workers that see a new channel at the
// same moment may make two of it, which does no harm.
type lives struct{ current atomic.Pointer[life] }

// life is that of the deliveries of one channel.
type life struct {
	channel context.Context //nolint:containedctx // it tells one channel from another
	hands   context.Context //nolint:containedctx // of the messages in hand
}

// under returns the context to process msg with.
func (r *run) under(msg processor.Message) context.Context {
	p, ok := msg.(processor.Perishable)
	if !ok {
		return r.hands
	}
	channel := p.Life()
	if l := r.lives.current.Load(); l != nil && l.channel == channel {
		return l.hands
	}
	l := &life{channel: channel, hands: endingWith(r.hands, channel)}
	r.lives.current.Store(l)
	return l.hands
}

// endingWith returns a context that is ctx, and ends with other as well, for its reason.
func endingWith(ctx, other context.Context) context.Context {
	if other.Done() == nil {
		return ctx
	}
	ctx, cancel := context.WithCancelCause(ctx)
	context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx
}
