package consumer

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/gowarren/warren/broker"
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

// lives keeps the life of each channel that messages come from, so that it is made once for
// each channel and not for each message. There may be several at a time: a source may have
// more than one queue.
type lives struct {
	latest  atomic.Pointer[life]
	endless *life

	mu  sync.Mutex
	all map[context.Context]*life // by channel, until that is lost or the run is over
}

// life returns that of msg.
func (r *run) life(msg processor.Message) *life {
	p, ok := msg.(broker.Perishable)
	if !ok {
		return r.lives.endless
	}
	channel := p.Life()
	if l := r.lives.latest.Load(); l != nil && l.channel == channel {
		return l
	}
	l := r.lifeOf(channel)
	r.lives.latest.Store(l)
	return l
}

func (r *run) lifeOf(channel context.Context) *life {
	r.lives.mu.Lock()
	defer r.lives.mu.Unlock()
	if l, ok := r.lives.all[channel]; ok {
		return l
	}
	over := endingWith(r.hands, channel)
	l := &life{channel: channel, hands: over}
	if r.options.finishLost {
		l.hands = r.hands
	}
	r.lives.all[channel] = l
	context.AfterFunc(over, func() { r.lives.forget(channel) })
	return l
}

func (ls *lives) forget(channel context.Context) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	delete(ls.all, channel)
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
