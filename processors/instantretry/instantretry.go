package instantretry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that calls the inner layers again when they fail. It is safe for
// concurrent use and allocates nothing on success. The stack refuses a nil option, a negative
// number of retries, a delay below a millisecond unless it is 0, and a limit below the delay.
func New(opts ...Option) processor.Middleware {
	c := config{retries: DefaultRetries, delay: DefaultDelay}
	if err := option.Apply("instantretry", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &instantRetry{config: c, next: next}
	}
}

type instantRetry struct {
	config
	next processor.Processor
}

var (
	_ stack.Layer     = (*instantRetry)(nil)
	_ stack.Wrapper   = (*instantRetry)(nil)
	_ stack.Predictor = (*instantRetry)(nil)
	_ stack.Describer = (*instantRetry)(nil)
)

// Name is "instantretry".
func (*instantRetry) Name() string { return "instantretry" }

// Role is [stack.Repeats].
func (*instantRetry) Role() stack.Role { return stack.Repeats }

// Unwrap returns the inner layers.
func (r *instantRetry) Unwrap() processor.Processor { return r.next }

// Predict returns o unchanged.
func (*instantRetry) Predict(o stack.Outcome) stack.Outcome { return o }

// Process runs the inner layers, again and again if they fail.
func (r *instantRetry) Process(ctx context.Context, msg processor.Message) error {
	for try := 1; ; try++ {
		err := r.next.Process(ctx, msg)
		if err == nil {
			return nil
		}
		d := processor.Decide(err)
		if try > r.retries || !r.mayMend(d, try) || msg.Settled() || ctx.Err() != nil {
			return after(try, err)
		}
		wanted, problem := callback.If("instantretry", r.filter, err)
		if problem != nil {
			return after(try, problem)
		}
		if !wanted {
			return after(try, err)
		}
		pause := max(r.pause(try), d.After)
		r.report(ctx, msg, err, try, pause)
		if !pacing.Sleep(ctx, pause) {
			return after(try, err)
		}
	}
}

// mayMend reports whether the decision of a failed try allows another.
func (r *instantRetry) mayMend(d processor.Decision, try int) bool {
	return d.Action == processor.Failed && !d.Stop && d.After <= r.nominal(try)
}

// report logs a failed try. If a later one succeeds, the outer layers do not learn of it.
func (r *instantRetry) report(ctx context.Context, msg processor.Message, err error, try int, pause time.Duration) {
	log := logattr.Or(r.log)
	if !log.Enabled(ctx, slog.LevelInfo) {
		return // before an unread record is built
	}
	log.LogAttrs(ctx, slog.LevelInfo, "message failed, trying again in place", append(logattr.Of(msg, err),
		slog.Int("try", try), slog.Int("tries", r.retries+1), slog.Duration("delay", pause))...)
}

// triesError is the error of the last of several tries.
type triesError struct {
	tries int
	err   error
}

// after returns err with the number of tries. It calls no method of err, which may be a handler's
// and panic.
func after(tries int, err error) error {
	if tries == 1 {
		return err
	}
	return &triesError{tries, err}
}

func (e *triesError) Error() string {
	return fmt.Sprintf("instantretry: after %d tries: %v", e.tries, e.err)
}

func (e *triesError) Unwrap() error { return e.err }
