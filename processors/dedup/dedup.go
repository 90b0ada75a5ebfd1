package dedup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that processes each message once, as far as store knows, and returns nil
// for one that was processed before. It is safe for concurrent use. For each message it allocates
// the id and an entry among those in flight, and for each call of the store a context with a timer.
//
// The stack refuses a store that is nil or cannot work ([processor.Check]), a nil option, and a
// StoreTimeout below a millisecond.
func New(store Store, opts ...Option) processor.Middleware {
	c := config{store: store, timeout: DefaultStoreTimeout}
	if err := option.Apply("dedup", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &dedup{config: c, next: next, inHand: newHands()}
	}
}

type dedup struct {
	config
	next   processor.Processor
	inHand *hands
	warned atomic.Bool
}

var (
	_ stack.Layer     = (*dedup)(nil)
	_ stack.Wrapper   = (*dedup)(nil)
	_ stack.Predictor = (*dedup)(nil)
	_ stack.Describer = (*dedup)(nil)
)

// Name is "dedup".
func (*dedup) Name() string { return "dedup" }

// Role is [stack.Marks].
func (*dedup) Role() stack.Role { return stack.Marks }

// Unwrap returns the inner layers.
func (d *dedup) Unwrap() processor.Processor { return d.next }

// Predict returns o unchanged.
func (*dedup) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (d *dedup) Settings() []stack.Setting {
	key, scope := "app id, type and message id", "queue"
	if d.key != nil {
		key = "by a function"
	}
	if d.scope != "" {
		scope = d.scope
	}
	return []stack.Setting{
		{Name: "store", Value: fmt.Sprintf("%T", d.store)},
		{Name: "key", Value: key},
		{Name: "scope", Value: scope},
		{Name: "store timeout", Value: d.timeout.String()},
	}
}

// Process runs the inner layers unless msg was processed before.
func (d *dedup) Process(ctx context.Context, msg processor.Message) error {
	id, err := d.id(msg)
	switch {
	case err != nil:
		return err
	case id == "":
		d.warn(ctx, msg)
		return d.next.Process(ctx, msg)
	}
	for {
		h, first := d.inHand.take(id)
		if first {
			return d.first(ctx, msg, id, h)
		}
		select {
		case <-h.over:
			if h.processed {
				d.skip(ctx, msg, id)
				return nil
			}
		case <-ctx.Done():
			return unbegun.Result(ctx, fmt.Errorf("dedup: cut short while a copy was being processed: %w", ctx.Err()))
		}
	}
}

// first processes msg while copies of it wait for h.
func (d *dedup) first(ctx context.Context, msg processor.Message, id string, h *hand) error {
	defer d.inHand.leave(id, h)
	seen, err := d.seen(ctx, id)
	if err != nil {
		return unbegun.Result(ctx, fmt.Errorf("dedup: look up message: %w", err))
	}
	if seen {
		d.skip(ctx, msg, id)
		return nil
	}
	err = d.next.Process(ctx, msg)
	if processor.Decide(err).Action != processor.Done {
		return err
	}
	h.processed = true // even if it cannot be marked
	if problem := d.mark(ctx, id); problem != nil {
		return processor.Drop(errors.Join(fmt.Errorf("dedup: mark message as processed, which it is: %w", problem), err))
	}
	return err
}

func (d *dedup) seen(ctx context.Context, id string) (seen bool, err error) {
	err = d.insist(ctx, func(ctx context.Context) (err error) {
		seen, err = d.store.Seen(ctx, id)
		return err
	})
	return seen, err
}

// mark goes on after ctx has ended: the message has been processed.
func (d *dedup) mark(ctx context.Context, id string) error {
	return d.insist(context.WithoutCancel(ctx), func(ctx context.Context) error { return d.store.Mark(ctx, id) })
}

// The intervals at which the store is asked again.
const (
	firstWait = 100 * time.Millisecond
	lastWait  = 2 * time.Second
)

// insist calls f until it succeeds or the time is up, and returns its last error.
func (d *dedup) insist(outer context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(outer, d.timeout)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, lastWait) {
		err := ask(ctx, f)
		if err == nil || outer.Err() != nil {
			return err
		}
		if wait == firstWait { // the consumer may not log what it requeues
			logattr.Or(d.log).LogAttrs(ctx, slog.LevelWarn, "store failed, trying again", logattr.Err(err), slog.Duration("for", d.timeout))
		}
		if !pacing.Sleep(ctx, wait) {
			return err
		}
	}
}

// ask returns a panic of the store as an error.
func ask(ctx context.Context, f func(context.Context) error) (err error) {
	if problem := callback.Call("the store", func() { err = f(ctx) }); problem != nil {
		return problem
	}
	return err
}

func (d *dedup) skip(ctx context.Context, msg processor.Message, id string) {
	stack.Skipped(ctx)
	logattr.Or(d.log).LogAttrs(ctx, slog.LevelInfo, "message skipped, it was processed before",
		append(logattr.Of(msg, nil), slog.String("mark", id))...)
}

func (d *dedup) warn(ctx context.Context, msg processor.Message) {
	if d.warned.CompareAndSwap(false, true) {
		logattr.Or(d.log).LogAttrs(ctx, slog.LevelWarn, "messages without an id cannot be marked, and are processed each time they are delivered", logattr.Of(msg, nil)...)
	}
}
