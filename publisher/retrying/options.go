package retrying

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gowarren/warren/internal/option"
)

// Defaults of [Interval].
const (
	DefaultStart = 100 * time.Millisecond
	DefaultMost  = 5 * time.Second
)

// Option changes how a message is published again.
type Option func(*config)

type config struct {
	start, most time.Duration
	limited     bool
	retries     int
	filter      func(error) bool
	onError     func(err error, next time.Duration)
	id          func() string
}

// Interval is the wait before each retry: start before the first, doubling with each one
// after it, up to most. The wait is random between half of that and all of it, so that
// those who were refused together do not come back together. start is at least a
// millisecond: a queue that is full must not be a busy loop. Default: 100 ms, 5 s.
func Interval(start, most time.Duration) Option {
	return func(c *config) { c.start, c.most = start, most }
}

// MaxRetries is how often a message is published after the first time. 0 is one try.
// Default: no limit, ctx bounds the whole.
func MaxRetries(n int) Option { return func(c *config) { c.limited, c.retries = true, n } }

// If also tries again after errors for which f is true. It is asked about those that are
// not tried again by themselves, such as [processor.ErrUnroutable], which is what a classic
// queue gives while its node is down; but not about those that stay the same whatever is
// tried: [processor.ErrTooLarge], [processor.ErrHeaderType], [processor.ErrForbidden],
// [processor.ErrClosed]. f may be called by many goroutines at once. Should it panic, the
// message is not tried again; the error says both. Default, also for nil: none.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// OnError is called with each error that is followed by another try, and the wait until
// that begins. It may be called by many goroutines at once. Should it panic, the message is
// not tried again; the error says both. Default, also for nil: none.
func OnError(f func(err error, next time.Duration)) Option { return func(c *config) { c.onError = f } }

// ID makes the id of a message that has none. It must be a new one each time: receivers
// take two messages with one id for copies of each other, and drop the second. f may be
// called by many goroutines at once. Should it panic or return "", nothing is published and
// the error says so. Default, also for nil: 130 random bits as text, [crypto/rand.Text].
func ID(f func() string) Option { return func(c *config) { c.id = f } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.start <= 0 {
		errs = append(errs, fmt.Errorf("retrying: Interval starts at %v: it must be a millisecond or more", c.start))
	}
	errs = append(errs, option.Unit("retrying: the start of Interval", c.start, time.Millisecond))
	if c.most < c.start {
		errs = append(errs, fmt.Errorf("retrying: Interval goes from %v to %v: the second must not be less than the first", c.start, c.most))
	}
	if c.retries < 0 {
		errs = append(errs, fmt.Errorf("retrying: MaxRetries is %d: leave it out for no limit", c.retries))
	}
	return errors.Join(errs...)
}

// wait is how long to wait before retry n, from 1.
func (c *config) wait(n int) time.Duration {
	d := c.most
	if doublings := min(n-1, 62); c.start <= c.most>>doublings {
		d = c.start << doublings
	}
	return d - rand.N(d/2+1) //nolint:gosec // jitter, no secret
}
