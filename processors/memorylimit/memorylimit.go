// Package memorylimit ends the run when the process uses too much memory, as Swarrot's
// MemoryLimitProcessor does, so that a supervisor restarts the worker before the system kills it.
//
// Its place in the stack does not matter. Messages in flight when the limit is reached have the
// consumer's drain timeout to finish; set the limit well below what the system allows. In a process
// with several runs all of them end ([stack.ProcessFrom]).
//
// # What is measured
//
// The memory that the Go runtime has from the system and has not returned, which is what GOMEMLIMIT
// bounds: heap, stacks and the runtime's own. It is the same figure on every system and takes about
// a microsecond to get. The resident set needs /proc or cgo, and is blurred by shared and swapped
// pages. Memory of C code and of mapped files is in neither GOMEMLIMIT nor this limit.
//
// Garbage is no leak. Over the limit, the garbage is first collected and returned to the system,
// and the run ends only if that does not help. If it helps, nothing is checked for ten times as
// long as usual, since collecting costs time. If you see it often, set GOMEMLIMIT a little below
// the limit, and the runtime collects in time by itself.
package memorylimit

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/internal/ending"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// DefaultEvery is how often memory is measured unless [Every] says otherwise.
const DefaultEvery = time.Second

// patience is by how much the interval is multiplied after a collection that helped.
const patience = 10

// maxMiB is the highest limit, 16 TiB.
const maxMiB = 1 << 24

// Option changes how memory is limited.
type Option func(*config)

// Every sets the least time between two measurements, which are made after a message and while
// nothing arrives. With 0 each message is followed by one. Default: 1 s.
func Every(d time.Duration) Option { return func(c *config) { c.every = d } }

// Logger sets where the end of the run is logged, at level warn with the figure and the limit.
// Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// New returns a middleware that ends the run when the process uses mib mebibytes of memory or more.
// It is safe for concurrent use, with one goroutine measuring at a time, and allocates nothing.
//
// The run returns nil. If the runner of the pipeline cannot be told to end ([stack.RunFrom]), a
// stop is joined to the result of each message that finishes from then on, and returned when
// nothing arrives.
//
// The stack refuses a limit below 1 or above 16 TiB, as one given in bytes would be, an Every below
// a millisecond unless it is 0, and a nil option.
func New(mib int, opts ...Option) processor.Middleware {
	c := config{mib: mib, every: DefaultEvery, gauge: newGauge}
	if err := option.Apply("memorylimit", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		m := &memoryLimit{config: c, next: next, gauge: c.gauge(), created: time.Now()}
		m.end.Store(&ending.Ending{})
		return m
	}
}

type config struct {
	mib   int
	every time.Duration
	log   *slog.Logger
	gauge func() gauge
}

func (c *config) check() error {
	switch {
	case c.mib < 1:
		return fmt.Errorf("memorylimit: the limit is %d MiB: it must be at least 1", c.mib)
	case c.mib > maxMiB:
		return fmt.Errorf("memorylimit: the limit is %d MiB, more than any process has: it is in MiB, not in bytes", c.mib)
	}
	return option.NotNegative("memorylimit: Every", c.every)
}

type memoryLimit struct {
	config
	next  processor.Processor
	gauge gauge

	end     atomic.Pointer[ending.Ending]
	created time.Time
	due     atomic.Int64 // when to measure next, since created; never during a measurement, or once over the limit
}

const never = math.MaxInt64

var (
	_ stack.Layer     = (*memoryLimit)(nil)
	_ stack.Wrapper   = (*memoryLimit)(nil)
	_ stack.Predictor = (*memoryLimit)(nil)
	_ stack.Describer = (*memoryLimit)(nil)
	_ stack.Starter   = (*memoryLimit)(nil)
	_ stack.Idler     = (*memoryLimit)(nil)
)

// Name is "memorylimit".
func (*memoryLimit) Name() string { return "memorylimit" }

// Role is "".
func (*memoryLimit) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (m *memoryLimit) Unwrap() processor.Processor { return m.next }

// Predict returns o unchanged.
func (*memoryLimit) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (m *memoryLimit) Settings() []stack.Setting {
	return []stack.Setting{
		{Name: "limit", Value: strconv.Itoa(m.mib) + "MiB"},
		{Name: "every", Value: m.every.String()},
	}
}

// Start measures again if the last run was over the limit.
func (m *memoryLimit) Start(ctx context.Context) error {
	if m.end.Swap(ending.Of(ctx)).Asked() {
		m.due.Store(0)
	}
	return nil
}

// Idle measures.
func (m *memoryLimit) Idle(ctx context.Context) error { return m.join(ctx, nil) }

// Process runs the inner layers and measures.
func (m *memoryLimit) Process(ctx context.Context, msg processor.Message) error {
	return m.join(ctx, m.next.Process(ctx, msg))
}

// join measures, and adds a stop to err if the run cannot be told.
func (m *memoryLimit) join(ctx context.Context, err error) error {
	m.check(ctx)
	return m.end.Load().Join(err)
}

// check measures if it is due, and ends the run over the limit. Only one goroutine gets past its
// beginning, and none once the run is over the limit.
func (m *memoryLimit) check(ctx context.Context) {
	due := m.due.Load()
	if m.since() < due || !m.due.CompareAndSwap(due, never) {
		return
	}
	wait, used := m.every, m.gauge.used()
	if m.tooMuch(used) {
		m.gauge.collect()
		wait, used = patience*m.every, m.gauge.used()
	}
	if !m.tooMuch(used) {
		m.due.Store(m.since() + int64(wait))
		return
	}
	m.end.Load().Ask()
	logattr.Or(m.log).LogAttrs(ctx, slog.LevelWarn, "the process uses too much memory, and the run ends",
		slog.Uint64("used_mib", toMiB(used)), slog.Int("limit_mib", m.mib))
}

func (m *memoryLimit) since() int64 { return int64(time.Since(m.created)) }

func (m *memoryLimit) tooMuch(used uint64) bool {
	return toMiB(used) >= uint64(m.mib) //nolint:gosec // it is at least 1
}
