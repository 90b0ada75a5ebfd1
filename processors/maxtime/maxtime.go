// Package maxtime ends the run after a time, as Swarrot's MaxExecutionTimeProcessor does, so that a
// supervisor restarts the worker.
//
// Its place in the stack does not matter. The time counts from the start of each run, and ends it
// also while nothing arrives and while messages are in flight, which then have the consumer's drain
// timeout to finish. In a process with several runs it ends all of them ([stack.ProcessFrom]).
//
// The run returns nil. If the runner of the pipeline cannot be told to end ([stack.RunFrom]), a
// stop is joined to the result of each message that finishes after the time, and returned when
// nothing arrives. If the runner does not start the pipeline ([stack.Starter]), no time counts.
package maxtime

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/internal/ending"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// DefaultAfter is how long a run lasts unless [After] says otherwise.
const DefaultAfter = 300 * time.Second

// Option changes when the run ends.
type Option func(*config)

// After sets how long the run lasts, at least a millisecond. Default: 300 s.
func After(d time.Duration) Option { return func(c *config) { c.after = d } }

// Logger sets where the end of the run is logged, at level info. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run after a time. It is safe for concurrent use and
// allocates nothing per message. The stack refuses a nil option and an After below a millisecond.
func New(opts ...Option) processor.Middleware {
	c := config{after: DefaultAfter}
	if err := option.Apply("maxtime", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &maxTime{config: c, next: next}
	}
}

type config struct {
	after time.Duration
	log   *slog.Logger
}

func (c *config) check() error { return option.Positive("maxtime: After", c.after) }

type maxTime struct {
	config
	next processor.Processor

	clock atomic.Pointer[clock]
}

// clock is the time of one run.
type clock struct {
	end   *ending.Ending
	timer *time.Timer
}

var (
	_ stack.Layer     = (*maxTime)(nil)
	_ stack.Wrapper   = (*maxTime)(nil)
	_ stack.Predictor = (*maxTime)(nil)
	_ stack.Describer = (*maxTime)(nil)
	_ stack.Starter   = (*maxTime)(nil)
	_ stack.Idler     = (*maxTime)(nil)
	_ stack.Stopper   = (*maxTime)(nil)
)

// Name is "maxtime".
func (*maxTime) Name() string { return "maxtime" }

// Role is "".
func (*maxTime) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (m *maxTime) Unwrap() processor.Processor { return m.next }

// Predict returns o unchanged.
func (*maxTime) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (m *maxTime) Settings() []stack.Setting {
	return []stack.Setting{{Name: "after", Value: m.after.String()}}
}

// Start starts the clock.
func (m *maxTime) Start(ctx context.Context) error {
	end := ending.Of(ctx)
	m.clock.Store(&clock{end, time.AfterFunc(m.after, func() {
		end.Ask()
		logattr.Or(m.log).Info("the run has had its time, and ends", slog.Duration("after", m.after))
	})})
	return nil
}

// Stop stops the clock.
func (m *maxTime) Stop(context.Context) error {
	if c := m.clock.Swap(nil); c != nil {
		c.timer.Stop()
	}
	return nil
}

// Idle ends the run if the clock could not.
func (m *maxTime) Idle(context.Context) error { return m.clock.Load().join(nil) }

// Process passes the message on.
func (m *maxTime) Process(ctx context.Context, msg processor.Message) error {
	c := m.clock.Load()
	return c.join(m.next.Process(ctx, msg))
}

// join adds a stop to err if the run could not be told.
func (c *clock) join(err error) error {
	if c == nil {
		return err
	}
	return c.end.Join(err)
}
