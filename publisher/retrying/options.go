package retrying

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// Defaults of [Backoff].
const (
	DefaultBase  = 100 * time.Millisecond
	DefaultLimit = 5 * time.Second
)

// Option changes how a message is published again.
type Option func(*config)

type config struct {
	base, limit time.Duration
	retries     int
	filter      func(error) bool
	onError     func(err error, next time.Duration)
	id          func() string
}

// Backoff is the wait before each retry: base before the first, then doubling up to limit. Each
// wait is random between half of that and all of it, so that messages refused together are not
// retried together. base is at least a millisecond: a queue that is full must not be a busy loop.
// Default: 100 ms, 5 s.
func Backoff(base, limit time.Duration) Option {
	return func(c *config) { c.base, c.limit = base, limit }
}

// Retries is how often a message is published after the first time. With 0 there is one try.
// Default: [processor.NoLimit], bounded by ctx alone.
func Retries(n int) Option { return func(c *config) { c.retries = n } }

// If also retries after errors for which f is true. f is asked about errors that are not retried by
// default, such as [processor.ErrUnroutable], which a classic queue gives while its node is down,
// but not about permanent ones: [processor.ErrTooLarge], [processor.ErrHeaderType],
// [processor.ErrForbidden], [processor.ErrClosed]. f may be called concurrently. If it panics, the
// message is not retried; the error says both. Default, also for nil: none.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// OnError is called with each error before a retry, and the wait until that begins. It may be
// called concurrently. If it panics, the message is not retried; the error says both. Default, also
// for nil: none.
func OnError(f func(err error, next time.Duration)) Option { return func(c *config) { c.onError = f } }

// ID makes the id of a message without one. It must be new each time: receivers take two messages
// with one id for copies of each other, and drop the second. f may be called concurrently. If it
// panics or returns "", nothing is published and the error says so. Default, also for nil: 130
// random bits as text, [crypto/rand.Text].
func ID(f func() string) Option { return func(c *config) { c.id = f } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	errs = append(errs, option.Positive("retrying: the base of Backoff", c.base))
	if c.limit < c.base {
		errs = append(errs, fmt.Errorf("retrying: Backoff goes from %v to %v: the second must not be less than the first", c.base, c.limit))
	}
	if c.retries < 0 && c.retries != processor.NoLimit {
		errs = append(errs, fmt.Errorf("retrying: Retries is %d: it must be 0 or more, or processor.NoLimit", c.retries))
	}
	return errors.Join(errs...)
}

// wait is how long to wait before retry n, from 1.
func (c *config) wait(n int) time.Duration {
	return pacing.Jitter(pacing.Doubling(c.base, c.limit, n))
}
