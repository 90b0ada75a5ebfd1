package consumer

import (
	"context"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

// life is that of the messages of one channel. Where the source cannot tell channels apart,
// it is that of all messages.
type life struct {
	channel context.Context //nolint:containedctx // it ends when the channel is lost
	hands   context.Context //nolint:containedctx // of the messages in hand
}

// isOver reports whether the channel is lost: the message comes again, whatever becomes of
// it here.
func (l *life) isOver() bool { return l.channel.Err() != nil }

// lives keeps the life of the channel that messages come from now, so that it is made once
// for each channel and not for each message. Workers that see a new channel at the same
// moment may make two of it, which does no harm.
type lives struct {
	current atomic.Pointer[life]
	endless *life
}

// life returns that of msg.
func (r *run) life(msg processor.Message) *life {
	p, ok := msg.(processor.Perishable)
	if !ok {
		return r.lives.endless
	}
	channel := p.Life()
	if l := r.lives.current.Load(); l != nil && l.channel == channel {
		return l
	}
	l := &life{channel: channel, hands: r.hands}
	if !r.options.finishLost {
		l.hands = endingWith(r.hands, channel)
	}
	r.lives.current.Store(l)
	return l
}

// endingWith returns a context that is ctx, and ends with other as well, for its reason.
// Whichever ends first, nothing of it is left with the other.
func endingWith(ctx, other context.Context) context.Context {
	if other.Done() == nil {
		return ctx
	}
	both, cancel := context.WithCancelCause(ctx)
	forget := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	context.AfterFunc(both, func() { forget() })
	return both
}
