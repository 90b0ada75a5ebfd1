// Package insomniac ends the run when no message is waiting, as Swarrot's
// InsomniacProcessor does: for jobs that empty a queue and end.
//
// Its place in the stack does not matter. The run ends when nothing is in flight and nothing has
// arrived for the consumer's IdleInterval, 1 s by default. Make that longer than the gaps between
// messages. A slow broker or a lost connection looks like an empty queue: [Confirm] asks the broker
// first. A paused run is not idle.
//
// Messages that wait in retry or delay queues do not count, nor do those in flight at other
// consumers: the run ends without them.
package insomniac

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Option changes when the run ends.
type Option func(*config)

// Confirm asks ready, before the run ends, how many messages are ready to be delivered. The run
// goes on if that is more than 0, fails or panics; the consumer logs the error. ready is called
// again each IdleInterval, never twice at once, and should return when its context ends. The Ready
// method of a broker fits, where it has one (broker.Counter):
//
//	insomniac.Confirm(func(ctx context.Context) (int, error) { return b.Ready(ctx, "mail") })
//
// Default, also for nil: the run ends without asking.
func Confirm(ready func(ctx context.Context) (int, error)) Option {
	return func(c *config) { c.ready = ready }
}

// Logger sets where the end of the run is logged, at level info. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run when no message is waiting. It is safe for concurrent
// use and allocates nothing. The stack refuses a nil option.
func New(opts ...Option) processor.Middleware {
	var c config
	if err := option.Apply("insomniac", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &insomniac{config: c, next: next}
	}
}

type config struct {
	ready func(ctx context.Context) (int, error)
	log   *slog.Logger
}

type insomniac struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*insomniac)(nil)
	_ stack.Wrapper   = (*insomniac)(nil)
	_ stack.Predictor = (*insomniac)(nil)
	_ stack.Describer = (*insomniac)(nil)
	_ stack.Idler     = (*insomniac)(nil)
)

// Name is "insomniac".
func (*insomniac) Name() string { return "insomniac" }

// Role is "".
func (*insomniac) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (i *insomniac) Unwrap() processor.Processor { return i.next }

// Predict returns o unchanged.
func (*insomniac) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (i *insomniac) Settings() []stack.Setting {
	confirm := "nobody"
	if i.ready != nil {
		confirm = "by a function"
	}
	return []stack.Setting{{Name: "confirm", Value: confirm}}
}

// Process passes the message on.
func (i *insomniac) Process(ctx context.Context, msg processor.Message) error {
	return i.next.Process(ctx, msg)
}

// Idle ends the run if nothing is waiting.
func (i *insomniac) Idle(ctx context.Context) error {
	if i.ready != nil {
		n, err := i.count(ctx)
		if err != nil {
			return fmt.Errorf("insomniac: count messages: %w", err)
		}
		if n > 0 {
			return nil
		}
	}
	logattr.Or(i.log).LogAttrs(ctx, slog.LevelInfo, "no message is waiting, and the run ends")
	return processor.ErrStop
}

// count calls [Confirm] in a goroutine of its own: a Goexit would end the consumer's idle
// goroutine, which is not replaced.
func (i *insomniac) count(ctx context.Context) (n int, err error) {
	if problem := callback.Apart("the function given to Confirm", func() { n, err = i.ready(ctx) }); problem != nil {
		return 0, problem
	}
	return n, err
}
