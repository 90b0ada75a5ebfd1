// Package maxmessages ends the run after so many messages, as Swarrot's
// MaxMessagesProcessor does, so that a supervisor starts the worker afresh.
//
// Put it outermost: what is counted is then settled when the run is told to end. A stack
// refuses it inside instantretry, which would have it count each try.
//
// Every message that comes in counts, also one that fails. With many workers no more than
// that many come in. One that arrives while the last of them is still being processed is
// not begun: it ends the run at once and goes back to its queue untouched. What is in hand
// then has the consumer's drain timeout to finish. The count starts anew with each run.
//
// The run returns nil, also if the last message has failed. Where whoever runs the
// pipeline cannot be told to end ([processor.RunFrom]), the wish to stop is joined to
// the error of the last message instead.
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
)

// DefaultMax is how many messages come in unless [Max] says otherwise.
const DefaultMax = 100

// errSurplus is the error of a message that is one too many.
var errSurplus = errors.Join(processor.ErrStop,
	processor.Release(errors.New("maxmessages: the run has had its messages, and ends")))

// Option changes when the run ends.
type Option func(*config)

// Max sets after how many messages the run ends, at least 1. Default: 100.
func Max(n int) Option { return func(c *config) { c.max = n } }

// Logger sets where it is logged, at level info, that the run ends. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run after [Max] messages. It is safe for many
// goroutines and allocates nothing until the last message. The stack refuses a nil option
// and a Max below 1.
func New(opts ...Option) processor.Middleware {
	c := config{max: DefaultMax}
	if err := option.Apply("maxmessages", &c, opts); err != nil {
		return processor.Invalid(err)
	}
	if c.max < 1 {
		return processor.Invalid(fmt.Errorf("maxmessages: Max is %d: it must be at least 1", c.max))
	}
	return func(next processor.Processor) processor.Processor {
		return &maxMessages{config: c, next: next}
	}
}

type config struct {
	max int
	log *slog.Logger
}

type maxMessages struct {
	config
	next processor.Processor

	begun atomic.Int64
	run   atomic.Pointer[processor.Run] // nil: it cannot be told to end
}

var (
	_ processor.Layer     = (*maxMessages)(nil)
	_ processor.Wrapper   = (*maxMessages)(nil)
	_ processor.Predictor = (*maxMessages)(nil)
	_ processor.Describer = (*maxMessages)(nil)
	_ processor.Starter   = (*maxMessages)(nil)
	_ processor.Idler     = (*maxMessages)(nil)
	_ processor.Stopper   = (*maxMessages)(nil)
)

// Name is "maxmessages".
func (*maxMessages) Name() string { return "maxmessages" }

// Role is [processor.Counts].
func (*maxMessages) Role() processor.Role { return processor.Counts }

// Unwrap returns the inner layers.
func (m *maxMessages) Unwrap() processor.Processor { return m.next }

// Predict passes on what it gets.
func (*maxMessages) Predict(o processor.Outcome) processor.Outcome { return o }

// Settings are those of the options.
func (m *maxMessages) Settings() []processor.Setting {
	return []processor.Setting{{Name: "max", Value: strconv.Itoa(m.max)}}
}

// Start counts from the beginning.
func (m *maxMessages) Start(ctx context.Context) error {
	m.begun.Store(0)
	if run := processor.RunFrom(ctx); run != nil {
		m.run.Store(&run)
	}
	return nil
}

// Stop lets go of the run.
func (m *maxMessages) Stop(context.Context) error {
	m.run.Store(nil)
	return nil
}

// Idle ends a run that the last message did not end, because it panicked.
func (m *maxMessages) Idle(context.Context) error {
	if m.begun.Load() < int64(m.max) {
		return nil
	}
	return processor.ErrStop
}

// Process lets the message in if it is not one too many.
func (m *maxMessages) Process(ctx context.Context, msg processor.Message) error {
	n := m.begun.Add(1)
	if n < int64(m.max) {
		return m.next.Process(ctx, msg)
	}
	// The run that the message belongs to: a handler that was abandoned may return
	// during the next one.
	run := m.run.Load()
	if n == int64(m.max) {
		return m.last(ctx, msg, run)
	}
	if run != nil {
		(*run).End(nil) // before the error does: the run is not to return it
	}
	return errSurplus
}

func (m *maxMessages) last(ctx context.Context, msg processor.Message, run *processor.Run) error {
	if run == nil {
		err := m.next.Process(ctx, msg)
		m.report(ctx)
		return errors.Join(err, processor.ErrStop)
	}
	defer func() { // also if it panics, which a layer outside may recover from
		(*run).End(nil)
		m.report(ctx)
	}()
	return m.next.Process(ctx, msg)
}

func (m *maxMessages) report(ctx context.Context) {
	logattr.Or(m.log).LogAttrs(ctx, slog.LevelInfo, "the run has had its messages, and ends", slog.Int("max", m.max))
}
