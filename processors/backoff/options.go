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
	// DefaultKeepTrying is less than a consumer's drain timeout, so that a shutdown does
	// not cut it short.
	DefaultKeepTrying = republish.DefaultKeepTrying
)

// Option changes how messages are retried: a [PolicyOption], or one of those below. The
// same options make the [Topology].
type Option interface{ apply(c *config) }

type setting func(*config)

func (o setting) apply(c *config) { o(c) }

// Policy is for some errors, which [For] or [If] name: they have a schedule, a limit and a
// jitter of their own. The first policy that is for an error counts. What it does not set is
// as at the top level. Default: none.
//
// A message has one count for all policies. One that was busy nine times, and then fails in
// another way, takes the tenth delay of that policy, or has reached its limit.
//
// A handler's request ([Again], or [processor.RetryAfter] with a delay) is followed by the
// first policy that is for its cause, and otherwise by the top level, whatever For and If
// say there.
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

// Park sets where a message is published when its retries are used up, when it is rejected
// or no policy is for its error, or when the copy for a retry is over a size limit or has a
// header that cannot be sent. The copy's headers say why, when, where and after how many
// failures: warren-error and others. A copy that is too large with them is published as it came in. Default: none, the error
// comes back instead.
func Park(to processor.Destination) Option {
	return setting(func(c *config) { c.final = &to })
}

// Strategy sets where messages wait. Default, also for nil: [delay.Steps], one queue for each
// delay, if all delays are known and there is no [Jitter]; otherwise [delay.Ladder].
//
// A strategy is called when the layer is built; where known delays are spread, twice: with
// the delays, so that it can refuse them, and then with nil.
func Strategy(s delay.Strategy) Option { return setting(func(c *config) { c.strategy = s }) }

// KeepTrying sets how long a republish that failed is tried again, at intervals that grow
// from 100 ms to 5 s, before the message goes back to its queue. The worker waits meanwhile;
// it stops waiting when the message's context ends. What cannot succeed the next time is not
// tried again: [processor.ErrTooLarge], [processor.ErrHeaderType] and [processor.ErrClosed].
// Default: 15 s. With 0 the message goes back at once; otherwise it is a millisecond or
// more.
func KeepTrying(d time.Duration) Option { return setting(func(c *config) { c.keepTrying = d }) }

// OnBackoff calls f after each copy that the broker has taken, before the original is acked.
// f may be called by many goroutines at once, and should not block. A panic is an error that
// drops the original: its copy is out. Default: nil, nothing is called.
func OnBackoff(f func(ctx context.Context, e Event)) Option {
	return setting(func(c *config) { c.notify = f })
}

// StackTrace has the parked copy carry the stack of a handler that panicked, as
// processors/recovery recorded it, at most 4096 bytes in the header warren-stack. A stack
// shows the inside of the program to whoever reads the queue. Default: off.
func StackTrace() Option { return setting(func(c *config) { c.stack = true }) }

// Logger sets where retries are logged (at level info), parked messages (error), and
// republishes that fail and are tried again (warn). Default, also for nil: slog.Default() at
// the time.
func Logger(l *slog.Logger) Option { return setting(func(c *config) { c.log = l }) }
