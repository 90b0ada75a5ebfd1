package instantretry

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor/stack"
)

// Defaults of the options. Swarrot's are the same, but it counts the first try too: 3.
const (
	DefaultRetries = 2
	DefaultDelay   = 2 * time.Second
)

// Option changes how messages are retried.
type Option func(*config)

type config struct {
	retries int
	delay   time.Duration
	doubles bool
	limit   time.Duration // of the delay, if it doubles
	filter  func(error) bool
	log     *slog.Logger
}

// Retries sets how often the inner layers are called again at most, after the first time. Default:
// 2. Swarrot's instant_retry_attempts counts the first time as well.
func Retries(n int) Option { return func(c *config) { c.retries = n } }

// Delay sets how long to wait before the next try. Default: 2 s. At least a millisecond,
// or 0 for no wait.
func Delay(d time.Duration) Option { return func(c *config) { c.delay = d } }

// DoubleUpTo doubles the delay after each try, up to limit. The wait is then a random time between
// half and all of the delay, so that messages that failed together are not retried together.
// Default: the delay is the same each time, and exact.
func DoubleUpTo(limit time.Duration) Option {
	return func(c *config) { c.doubles, c.limit = true, limit }
}

// If retries only after errors for which f is true; others are returned unchanged. f may be called
// concurrently. If it panics, the message is not retried: its error is returned, with the panic's
// text. Default, also for nil: every error.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// Logger sets where each retried failure is logged, at level info. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.retries < 0 {
		errs = append(errs, fmt.Errorf("instantretry: Retries is %d: it must be 0 or more", c.retries))
	}
	errs = append(errs, option.NotNegative("instantretry: Delay", c.delay))
	if c.doubles && c.delay == 0 {
		errs = append(errs, errors.New("instantretry: DoubleUpTo has a delay of 0 to double: set Delay"))
	}
	if c.doubles && c.limit < c.delay {
		errs = append(errs, fmt.Errorf("instantretry: DoubleUpTo(%v) is less than the first delay, %v: raise it", c.limit, c.delay))
	}
	return errors.Join(errs...)
}

// nominal is the delay after that try, the first being 1, before it is made random.
func (c *config) nominal(try int) time.Duration {
	if !c.doubles {
		return c.delay
	}
	return pacing.Doubling(c.delay, c.limit, try)
}

// pause is how long to wait after that try.
func (c *config) pause(try int) time.Duration {
	d := c.nominal(try)
	if !c.doubles {
		return d
	}
	return pacing.Jitter(d)
}

// Settings returns those of the options.
func (r *instantRetry) Settings() []stack.Setting {
	limit := "off"
	if r.doubles {
		limit = r.limit.String()
	}
	settings := []stack.Setting{
		{Name: "retries", Value: strconv.Itoa(r.retries)},
		{Name: "delay", Value: r.delay.String()},
		{Name: "double up to", Value: limit},
	}
	if r.filter != nil {
		settings = append(settings, stack.Setting{Name: "if", Value: "by a function"})
	}
	return settings
}
