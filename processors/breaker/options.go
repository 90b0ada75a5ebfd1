package breaker

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Defaults of the options.
const (
	DefaultFailures = 5
	DefaultOpenFor  = 30 * time.Second
)

// Option changes when a breaker opens, and for how long.
type Option func(*config)

type config struct {
	downstream string
	failures   int
	openFor    time.Duration
	counts     func(error) bool
	notify     func(State)
	log        *slog.Logger
}

// Failures sets how many failures in a row open the breaker, counted over all stacks that share it.
// Default: 5. At least 1.
func Failures(n int) Option { return func(c *config) { c.failures = n } }

// OpenFor sets how long the breaker is open before it lets a probe through. Default: 30 s.
// At least a millisecond.
func OpenFor(d time.Duration) Option { return func(c *config) { c.openFor = d } }

// Counts makes an error count as a failure of the downstream if f is true for it. f is asked
// whatever the error decides about its message, unless it is released or was cut short. Errors for
// which f is false are neither failures nor successes. f may be called concurrently; if it panics
// the error counts, with the panic joined. Default, also for nil: those whose action is
// [processor.Failed].
func Counts(f func(err error) bool) Option { return func(c *config) { c.counts = f } }

// OnStateChange calls f with each new state, one change at a time, with no lock held. The run is
// not resumed before f has returned, so f should not block. A panic is logged. Default: nil,
// nothing is called.
func OnStateChange(f func(to State)) Option { return func(c *config) { c.notify = f } }

// Logger sets where changes of state are logged: at level warn when the breaker opens,
// else at info. Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.downstream == "" {
		errs = append(errs, errors.New("breaker: the downstream has no name: say what fails, such as mail server"))
	}
	if c.failures < 1 || c.failures > math.MaxInt32 {
		errs = append(errs, fmt.Errorf("breaker: Failures is %d: it must be 1 or more, and fit in 31 bits", c.failures))
	}
	errs = append(errs, option.Positive("breaker: OpenFor", c.openFor))
	return errors.Join(errs...)
}

func failed(err error) bool { return processor.Decide(err).Action == processor.Failed }
