package ensure

import (
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/option"
)

// Option changes how [Do] and [AutoRetry] try again. A wrong one makes them fail before the
// first try.
type Option func(*config)

type config struct {
	retries           int
	start, step, most time.Duration
	onError           func(err error, next time.Duration)
	onRevive          func(*amqp.Channel)
}

// Retries is how often an operation is tried after the first try. While no node can be
// reached, each round of failed attempts counts as a try. 0 is one try. Default: [failover.NoLimit],
// ctx bounds the whole.
func Retries(n int) Option {
	return func(c *config) { c.retries = n }
}

// Interval is the wait before each retry: start before the first, longer by step before
// each one after it, up to most. When the connection was lost, the wait for a session
// comes on top of it. Default: 0, 1 s, 1 s.
func Interval(start, step, most time.Duration) Option {
	return func(c *config) { c.start, c.step, c.most = start, step, most }
}

// OnError is called with each error that is followed by another try, and the wait until
// that begins. Default, also for nil: none.
func OnError(f func(err error, next time.Duration)) Option {
	return func(c *config) {
		if c.onError = f; f == nil {
			c.onError = func(error, time.Duration) {}
		}
	}
}

// OnRevive is called with each new channel, before the operation is: to set a prefetch, or
// to put it in confirm mode. Default, also for nil: none.
func OnRevive(f func(*amqp.Channel)) Option {
	return func(c *config) {
		if c.onRevive = f; f == nil {
			c.onRevive = func(*amqp.Channel) {}
		}
	}
}

func newConfig(opts []Option) (config, error) {
	c := config{step: time.Second, most: time.Second, retries: failover.NoLimit}
	OnError(nil)(&c)
	OnRevive(nil)(&c)
	for _, opt := range opts {
		if opt == nil {
			return c, errors.New("ensure: an option is nil: leave it out")
		}
		opt(&c)
	}
	return c, c.check()
}

func (c config) check() error {
	switch {
	case c.retries < 0 && c.retries != failover.NoLimit:
		return fmt.Errorf("ensure: at most %d retries: it must be 0 or more, or failover.NoLimit", c.retries)
	case c.start < 0 || c.step < 0 || c.most < c.start:
		return fmt.Errorf("ensure: intervals from %v to %v, in steps of %v, do not grow from zero or above", c.start, c.most, c.step)
	}
	return errors.Join(
		option.Unit("ensure: the first wait of Interval", c.start, time.Millisecond),
		option.Unit("ensure: the step of Interval", c.step, time.Millisecond),
		option.Unit("ensure: the longest wait of Interval", c.most, time.Millisecond))
}

// interval is the wait before retry n, from 1.
func (c config) interval(n int) time.Duration {
	if c.step > 0 && time.Duration(n-1) > (c.most-c.start)/c.step {
		return c.most // this also keeps the product from overflowing
	}
	return c.start + time.Duration(n-1)*c.step
}
