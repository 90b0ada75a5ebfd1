// Package maxmessages ends the run after a number of messages, as Swarrot's MaxMessagesProcessor
// does, so that a supervisor restarts the worker.
//
// Put it outermost: counted messages are then settled when the run is told to end. A stack refuses
// it inside instantretry, where it would count each try.
//
// Every message that comes in counts, also one that fails. With many workers no more than that many
// come in. The last one pauses the run: the others stay in their queue, and those that have come in
// take the time they need. When all have left the run ends, and in a process with several runs all of
// them do ([stack.ProcessFrom]). The count begins at 0 in each run.
//
// The run returns nil, also if the last message has failed. If the runner of the pipeline cannot be
// told to end ([stack.RunFrom]), a stop is joined to the error of the message that leaves last
// instead, and messages that come too late are released untouched.
package maxmessages

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// DefaultMax is how many messages come in unless [Max] says otherwise.
const DefaultMax = 100

// The errors of a message that is one too many.
var (
	errSurplus     = processor.Release(errors.New("maxmessages: the run has had its messages, and ends"))
	errSurplusStop = errors.Join(processor.ErrStop, errSurplus)
)

// Option changes when the run ends.
type Option func(*config)

// Max sets after how many messages the run ends, at least 1. Default: 100.
func Max(n int) Option { return func(c *config) { c.max = n } }

// Logger sets where the end of the run is logged, at level info. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run after [Max] messages. It is safe for concurrent use
// and allocates nothing until the last message. The stack refuses a nil option and a Max below 1.
func New(opts ...Option) processor.Middleware {
	c := config{max: DefaultMax}
	if err := option.Apply("maxmessages", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if c.max < 1 {
		return stack.Invalid(fmt.Errorf("maxmessages: Max is %d: it must be at least 1", c.max))
	}
	return func(next processor.Processor) processor.Processor {
		m := &maxMessages{config: c, next: next}
		m.count.Store(&count{})
		return m
	}
}

type config struct {
	max int
	log *slog.Logger
}

type maxMessages struct {
	config
	next  processor.Processor
	count atomic.Pointer[count]
}

// count is the count of one run. A message belongs to the run in which it began: a handler that was
// abandoned may return during the next.
type count struct {
	run         stack.Run   // nil if it cannot be told to end
	process     stack.Ender // that of the run, or the run
	begun, left atomic.Int64
}

var (
	_ stack.Layer     = (*maxMessages)(nil)
	_ stack.Wrapper   = (*maxMessages)(nil)
	_ stack.Predictor = (*maxMessages)(nil)
	_ stack.Describer = (*maxMessages)(nil)
	_ stack.Starter   = (*maxMessages)(nil)
	_ stack.Idler     = (*maxMessages)(nil)
)

// Name is "maxmessages".
func (*maxMessages) Name() string { return "maxmessages" }

// Role is [stack.Counts].
func (*maxMessages) Role() stack.Role { return stack.Counts }

// Unwrap returns the inner layers.
func (m *maxMessages) Unwrap() processor.Processor { return m.next }

// Predict returns o unchanged.
func (*maxMessages) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (m *maxMessages) Settings() []stack.Setting {
	return []stack.Setting{{Name: "max", Value: strconv.Itoa(m.max)}}
}

// Start counts from the beginning.
func (m *maxMessages) Start(ctx context.Context) error {
	m.count.Store(&count{run: stack.RunFrom(ctx), process: stack.ProcessFrom(ctx)})
	return nil
}

// Idle ends a run that could not be told to end, and whose last message has panicked.
func (m *maxMessages) Idle(context.Context) error {
	if c := m.count.Load(); c.run != nil || c.begun.Load() < int64(m.max) {
		return nil
	}
	return processor.ErrStop
}

// Process passes the message on if it is not one too many.
func (m *maxMessages) Process(ctx context.Context, msg processor.Message) error {
	c := m.count.Load()
	n := c.begun.Add(1)
	switch {
	case n > int64(m.max) && c.run != nil:
		return errSurplus
	case n > int64(m.max):
		return errSurplusStop
	case n == int64(m.max) && c.run != nil:
		c.run.Pause()
	}
	return m.let(ctx, msg, c)
}

// let runs the inner layers, and ends the run after the last message, also if it panics.
func (m *maxMessages) let(ctx context.Context, msg processor.Message, c *count) (err error) {
	defer func() {
		if c.left.Add(1) < int64(m.max) {
			return
		}
		if c.run != nil {
			c.process.End(nil)
		} else {
			err = errors.Join(err, processor.ErrStop)
		}
		m.report(ctx)
	}()
	return m.next.Process(ctx, msg)
}

func (m *maxMessages) report(ctx context.Context) {
	logattr.Or(m.log).LogAttrs(ctx, slog.LevelInfo, "the run has had its messages, and ends", slog.Int("max", m.max))
}
