// Package throttle limits how many messages are processed per second, to protect what the handler
// calls.
//
// Put it inside dedup, whose skipped messages then cost nothing, and outside timeout and
// transactions: a stack refuses those two outside it. Several stacks of a process can share a
// limiter, which then limits all of them together.
//
// A message that waits holds its worker, and is settled that much later: keep prefetch divided by
// rate far below the broker's consumer timeout. One that is cut short while it waits has not
// begun, and is requeued untouched; one whose own deadline passes has failed. When the run ends, waiting messages go on waiting for the
// consumer's drain timeout.
package throttle

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that takes a token of limiter for each message, and waits if none is
// free:
//
//	throttle.New(rate.NewLimiter(50, 10)) // 50 a second, and up to 10 at once
//
// It is safe for concurrent use and allocates nothing while a token is free. Messages wait in the
// order in which they came.
//
// The stack refuses a limiter that is nil, or lets nothing through now. With a burst that is set to
// 0 later, every message is requeued.
func New(limiter *rate.Limiter) processor.Middleware {
	if err := check(limiter); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &throttle{limiter: limiter, next: next}
	}
}

func check(l *rate.Limiter) error {
	switch {
	case l == nil:
		return errors.New("throttle: the limiter is nil: pass one such as rate.NewLimiter(50, 10)")
	case !(l.Limit() > 0): // NaN as well
		return fmt.Errorf("throttle: the limit is %v messages a second: it must be above 0", float64(l.Limit()))
	case l.Burst() < 1 && l.Limit() != rate.Inf:
		return fmt.Errorf("throttle: the burst is %d, which lets nothing through: it must be at least 1", l.Burst())
	}
	return nil
}

type throttle struct {
	limiter *rate.Limiter
	next    processor.Processor
}

var (
	_ stack.Layer     = (*throttle)(nil)
	_ stack.Wrapper   = (*throttle)(nil)
	_ stack.Predictor = (*throttle)(nil)
	_ stack.Describer = (*throttle)(nil)
)

// Name is "throttle".
func (*throttle) Name() string { return "throttle" }

// Role is [stack.Waits].
func (*throttle) Role() stack.Role { return stack.Waits }

// Unwrap returns the inner layers.
func (t *throttle) Unwrap() processor.Processor { return t.next }

// Predict returns o unchanged.
func (*throttle) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the limiter now.
func (t *throttle) Settings() []stack.Setting {
	limit := "none"
	if l := t.limiter.Limit(); l != rate.Inf {
		limit = short(float64(l)) + "/s"
	}
	return []stack.Setting{
		{Name: "limit", Value: limit},
		{Name: "burst", Value: strconv.Itoa(t.limiter.Burst())},
	}
}

// short is f without an exponent for usual rates, and with no more digits than needed.
func short(f float64) string {
	if f >= 100 {
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
	return strconv.FormatFloat(f, 'g', 3, 64)
}

// waiting is ctx without what it says of its deadline. A limiter that knows it gives up at once, while the message's
// time lasts, so that the message would look as if it had not been begun for another reason.
func waiting(ctx context.Context) context.Context {
	if _, limited := ctx.Deadline(); !limited {
		return ctx
	}
	return patient{ctx}
}

type patient struct{ context.Context } //nolint:containedctx // it is one

// Deadline says that there is none.
func (patient) Deadline() (deadline time.Time, ok bool) { return deadline, false }

// Process waits for a token.
func (t *throttle) Process(ctx context.Context, msg processor.Message) error {
	if err := t.limiter.Wait(waiting(ctx)); err != nil {
		return unbegun.Result(ctx, fmt.Errorf("throttle: wait for a token: %w", err))
	}
	return t.next.Process(ctx, msg)
}
