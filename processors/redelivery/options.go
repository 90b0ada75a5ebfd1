package redelivery

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Defaults of the options.
const (
	DefaultRetries     = 10
	DefaultFirstWait   = time.Second
	DefaultLongestWait = time.Minute
	// DefaultKeepTrying is less than a consumer's drain timeout, so that a shutdown does not cut it
	// short.
	DefaultKeepTrying = republish.DefaultKeepTrying
)

// Margin is by how much the delivery limit of the work queue exceeds [Retries], unless the queue
// has a limit of its own.
const Margin = 10

// maxRetries leaves room for the broker's limit above it.
const maxRetries = broker.HighDeliveryLimit - Margin

// Option changes how messages are retried. [New] and [Topology] take the same ones.
type Option func(*config)

type config struct {
	parked     string
	retries    int
	wait       broker.DelayedRetry
	filter     func(error) bool
	keepTrying time.Duration
	stack      bool
	log        *slog.Logger
}

// Retries sets how often a message is retried after its first failure. Default: 10. With 0 the
// first failure is the last.
func Retries(n int) Option { return func(c *config) { c.retries = n } }

// Wait sets how long the queue keeps a message after a failure: least after the first one,
// twice that after the second, three times after the third, and never more than most. Both are whole
// milliseconds. Default: 1 s, and at most 1 minute.
func Wait(least, most time.Duration) Option {
	return func(c *config) { c.wait = broker.DelayedRetry{Min: least, Max: most} }
}

// If retries only errors for which f is true. The others are parked at once. f may be called
// concurrently; a panic counts as a failure, and the message is retried. Default, also for nil:
// every error is retried.
func If(f func(err error) bool) Option { return func(c *config) { c.filter = f } }

// KeepTrying sets how long the layer tries to park a message, at intervals that grow from 100 ms to
// 5 s, before the message is requeued, which counts as one more failure. Permanent errors are not
// retried: [processor.ErrTooLarge], [processor.ErrHeaderType], [processor.ErrForbidden] and
// [processor.ErrClosed]. KeepTrying also bounds a Publish that waits for the broker; a try that begins
// last may take a second longer. Default: 15 s. With 0 the message is requeued after one try, of at
// most 15 s; otherwise it is a millisecond or more.
func KeepTrying(d time.Duration) Option { return func(c *config) { c.keepTrying = d } }

// StackTrace adds to the parked copy the stack of a handler that panicked, as processors/recovery
// recorded it, at most 4096 bytes in the header warren-stack. A stack shows the inside of the
// program to everyone who reads the queue. Default: off.
func StackTrace() Option { return func(c *config) { c.stack = true } }

// Logger sets where parked messages are logged (at level error), and failed attempts to park that
// are retried (warn). The consumer logs the failures before that. Default, also for nil:
// slog.Default() at the time.
func Logger(l *slog.Logger) Option { return func(c *config) { c.log = l } }

// configure returns the options with their defaults, or every reason why they cannot work.
func configure(parked string, opts []Option) (config, error) {
	c := config{
		parked: parked, retries: DefaultRetries, keepTrying: DefaultKeepTrying,
		wait: broker.DelayedRetry{Min: DefaultFirstWait, Max: DefaultLongestWait},
	}
	if err := option.Apply("redelivery", &c, opts); err != nil {
		return c, err
	}
	return c, c.check()
}

func (c *config) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf("redelivery: "+format, args...)) }
	if c.parked == "" || len(c.parked) > processor.MaxName {
		fail("the name of the parked queue has %d bytes: it must have from 1 to %d", len(c.parked), processor.MaxName)
	}
	if c.retries < 0 || c.retries > maxRetries {
		fail("Retries is %d: it must be from 0 to %d", c.retries, maxRetries)
	}
	errs = append(errs,
		option.NotNegative("redelivery: KeepTrying", c.keepTrying),
		option.Unit("redelivery: the least wait", c.wait.Min, time.Millisecond))
	if err := c.probe().Validate(); err != nil && c.parked != "" {
		fail("Wait(%v, %v) cannot be had: %w", c.wait.Min, c.wait.Max, err)
	}
	return errors.Join(errs...)
}

// probe is a topology with a queue that waits, under any name.
func (c *config) probe() broker.Topology {
	return broker.Topology{Queues: []broker.Queue{{Name: "work", Type: broker.Quorum, DelayedRetry: &c.wait}}}
}

// checkPublisher says why messages could not be parked, or failed ones would not wait.
func (c *config) checkPublisher(p processor.Publisher) error {
	if err := option.Sender("redelivery: the publisher", p); err != nil {
		return err
	}
	if problem := broker.CheckTopology(p, c.probe()); problem != nil {
		return fmt.Errorf("redelivery: the work queue cannot be had with this publisher: %w", problem)
	}
	return nil
}

// after is how long the queue keeps a message after its nth failure.
func (c *config) after(n int) time.Duration {
	if int64(n) > int64(c.wait.Max/c.wait.Min) {
		return c.wait.Max
	}
	return min(time.Duration(n)*c.wait.Min, c.wait.Max)
}
