package backoff

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Defaults of the options. That of [Schedule] is [DefaultIntervals].
const (
	DefaultRetries = 20
	DefaultJitter  = 100 * time.Millisecond
	// DefaultKeepTrying is less than a consumer's drain timeout, so that a shutdown does not cut it
	// short.
	DefaultKeepTrying = republish.DefaultKeepTrying
)

// Option changes how messages are retried: a [PolicyOption], or one of those below. [Topology]
// takes the same options.
type Option interface{ apply(c *config) }

type setting func(*config)

func (o setting) apply(c *config) { o(c) }

// Policy gives some errors, selected by [For] or [If], a schedule, a limit and a jitter of their
// own. The first policy that covers an error counts. What it does not set is as at the top level.
// Default: none.
//
// Each policy has a count of its own, and so has the top level. A message that was busy nine times,
// and then fails in another way, takes the first delay of that way. It is given up when one of the
// policies that it fails by has used up its retries: so it may be retried as often as all limits
// together. The counts belong to the places of the policies in this list: add new ones at its end.
//
// A handler's request ([Again], or [processor.RetryAfter] with a delay) follows the first policy
// that covers its cause, and otherwise the top level, whatever For and If say there.
func Policy(opts ...PolicyOption) Option {
	return setting(func(c *config) {
		var p policy
		if err := option.Apply("its options", &p, opts); err != nil {
			p.problems = append(p.problems, err)
		} else if !p.selects() {
			p.problems = append(p.problems, errors.New("it is for no errors: add For or If"))
		}
		c.policies = append(c.policies, p)
	})
}

// Park sets where a message is published when its retries are used up, when it is rejected or no
// policy covers its error, or when the copy for a retry is over a size limit or has a header that
// cannot be sent. The copy's headers say why, when, where and after how many failures: warren-error
// and others. If they make the copy too large, it is published without them. Default: none, the
// error is returned instead.
func Park(to processor.Destination) Option {
	return setting(func(c *config) { c.final = &to })
}

// Strategy sets where messages wait. Default, also for nil: [delay.Steps], one queue for each
// delay, if all delays are known and there is no [Jitter]; otherwise [delay.Ladder].
//
// A strategy is called when the layer is built. If known delays are spread it is called twice: with
// the delays, so that it can refuse them, and then with nil.
func Strategy(s delay.Strategy) Option { return setting(func(c *config) { c.strategy = s }) }

// KeepTrying sets how long a failed republish is retried, at intervals that grow from 100 ms to 5
// s, before the message is requeued. The worker waits meanwhile, until the message is cut short.
// Permanent errors are not retried: [processor.ErrTooLarge], [processor.ErrHeaderType],
// [processor.ErrForbidden] and [processor.ErrClosed]. KeepTrying also bounds a Publish that waits for
// the broker; a try that begins last may take a second longer. Default: 15 s. With 0 the message is
// requeued after one try, of at most 15 s; otherwise it is a millisecond or more.
func KeepTrying(d time.Duration) Option { return setting(func(c *config) { c.keepTrying = d }) }

// OnBackoff calls f after each copy that the broker has taken, before the original is acked. f may
// be called concurrently, and should not block. A panic is an error that drops the original: its
// copy has been published. Default: nil, nothing is called.
func OnBackoff(f func(ctx context.Context, e Event)) Option {
	return setting(func(c *config) { c.notify = f })
}

// StackTrace adds to the parked copy the stack of a handler that panicked, as processors/recovery
// recorded it, at most 4096 bytes in the header warren-stack. A stack shows the inside of the
// program to everyone who reads the queue. Default: off.
func StackTrace() Option { return setting(func(c *config) { c.stack = true }) }

// Logger sets where retries are logged (at level info), parked messages (error), and failed
// republishes that are retried (warn). Default, also for nil: slog.Default() at the time.
func Logger(l *slog.Logger) Option { return setting(func(c *config) { c.log = l }) }
