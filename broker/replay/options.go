package replay

import (
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// DefaultHoldFor is the default of [HoldFor]: less than RabbitMQ's consumer timeout.
const DefaultHoldFor = 20 * time.Minute

// minRate, in messages a second, keeps a message from being in flight for too long.
const minRate = 0.1

// Option changes what is moved, and how.
type Option func(*config)

type config struct {
	filter       func(processor.Message) bool
	dry          bool
	rate         float64
	keepAttempts bool
	maxMessages  int
	holdFor      time.Duration
	notify       func(Event)
}

// Filter moves only messages for which f is true; the others stay. See [FailureOf] for
// why a message was parked. Default, also for nil: all are moved.
func Filter(f func(msg processor.Message) bool) Option { return func(c *config) { c.filter = f } }

// DryRun moves nothing: [OnEvent] and the counts report the messages that would be moved. The
// broker still delivers the messages, and marks them as redelivered. Default: off.
func DryRun() Option { return func(c *config) { c.dry = true } }

// Rate sets how many messages are moved in a second, evenly, and at least 0.1: one in 10 s.
// A dry run does not wait. Default: [processor.NoLimit], as many as the broker takes.
func Rate(perSecond float64) Option { return func(c *config) { c.rate = perSecond } }

// KeepAttempts leaves the count of retries and the time of the first failure as they are: if the
// count is used up, the next failure parks the message again. Default: they are removed, so that
// retries begin anew.
func KeepAttempts() Option { return func(c *config) { c.keepAttempts = true } }

// MaxMessages ends the run when n messages have been moved. Default: [processor.NoLimit].
func MaxMessages(n int) Option { return func(c *config) { c.maxMessages = n } }

// HoldFor sets how long messages are held before all go back and the run begins again
// with the first. Messages that stay are then counted anew. It must
// be less than the broker's consumer timeout, and long enough to see all messages that
// stay: a run that moves nothing in this time, three times in a row, ends with an error.
// Default: 20 minutes.
func HoldFor(d time.Duration) Option { return func(c *config) { c.holdFor = d } }

// OnEvent calls f after each message; f should be quick. Default, also for nil: nothing is called.
func OnEvent(f func(Event)) Option { return func(c *config) { c.notify = f } }

// check returns every reason why the options cannot work.
func (c *config) check() error {
	var errs []error
	if c.rate != processor.NoLimit && !(c.rate >= minRate && c.rate <= float64(time.Second)) { // NaN is neither
		errs = append(errs, fmt.Errorf("replay: the rate is %v a second: it must be at least %v, or processor.NoLimit", c.rate, minRate))
	}
	if c.maxMessages < 1 && c.maxMessages != processor.NoLimit {
		errs = append(errs, fmt.Errorf("replay: MaxMessages is %d: it must be 1 or more, or processor.NoLimit", c.maxMessages))
	}
	return errors.Join(append(errs, option.Positive("replay: HoldFor", c.holdFor))...)
}
