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

	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/internal/unbegun"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// New returns a middleware that takes a token of limiter for each message, and waits if none is
// free:
//
//	throttle.New(rate.NewLimiter(50, 10)) // 50 a second, and up to 10 at once
//
// It is safe for concurrent use and allocates nothing while a token is free. The messages of a stack wait in the
// order in which they came. No token is reserved more than a second ahead: whoever waits for the same limiter
// elsewhere, and reserves earlier, is served first.
//
// The limit may be changed at any time. Messages that wait follow it within a second; with a limit of 0 they wait until
// it is raised. The stack refuses a limiter that is nil, or lets nothing through now. With a burst that is set to
// 0 later, every message is requeued.
func New(limiter *rate.Limiter) processor.Middleware {
	if err := check(limiter); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &throttle{limiter: limiter, next: next, first: make(chan struct{}, 1)}
	}
}

func check(l *rate.Limiter) error {
	switch {
	case l == nil:
		return errors.New("throttle: the limiter is nil: pass one such as rate.NewLimiter(50, 10)")
	case !(l.Limit() > 0): // NaN as well
		return fmt.Errorf("throttle: the limit is %v messages a second: it must be above 0", float64(l.Limit()))
	case shut(l):
		return fmt.Errorf("throttle: the burst is %d, which lets nothing through: it must be at least 1", l.Burst())
	}
	return nil
}

type throttle struct {
	limiter *rate.Limiter
	next    processor.Processor
	first   chan struct{} // full while a message asks the limiter
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

// ahead is how long a message may wait for a token that it has reserved. A reservation keeps the time that it was
// given when the limit changes later.
const ahead = time.Second

// Process waits for a token.
func (t *throttle) Process(ctx context.Context, msg processor.Message) error {
	if err := t.take(ctx); err != nil {
		return unbegun.Result(ctx, fmt.Errorf("throttle: wait for a token: %w", err))
	}
	return t.next.Process(ctx, msg)
}

// take returns when a token is taken. Only the first in line asks the limiter.
func (t *throttle) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case t.first <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if t.limiter.Allow() {
		<-t.first
		return nil
	}
	token, err := t.reserve(ctx)
	<-t.first // the next one can reserve while this one waits
	if err != nil {
		return err
	}
	if !pacing.Sleep(ctx, token.Delay()) {
		token.Cancel()
		return ctx.Err()
	}
	return nil
}

// reserve returns a token that is free within ahead. Until then it reserves none, so that it follows the limit: of a
// reservation that is cancelled when there are later ones, the limiter takes nothing back.
func (t *throttle) reserve(ctx context.Context) (*rate.Reservation, error) {
	for {
		if shut(t.limiter) {
			return nil, errors.New("the limiter's burst is 0, which lets nothing through")
		}
		if soon(t.limiter) {
			token := t.limiter.Reserve()
			if token.OK() && token.Delay() <= ahead {
				return token, nil
			}
			token.Cancel() // another stack was first
		}
		if !pacing.Sleep(ctx, pacing.Jitter(ahead)) {
			return nil, ctx.Err()
		}
	}
}

// soon reports whether a token is free within ahead, which is a second.
func soon(l *rate.Limiter) bool {
	limit := l.Limit()
	return limit == rate.Inf || 1-l.Tokens() <= float64(limit)
}

// shut reports whether no message can have a token, whatever the limit.
func shut(l *rate.Limiter) bool { return l.Burst() < 1 && l.Limit() != rate.Inf }
