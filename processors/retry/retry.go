package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// HeaderAttempts holds the number of retries so far.
const HeaderAttempts = "swarrot_retry_attempts"

// ErrExhausted is wrapped, together with the handler's error, by the error of a message
// that has used up its retries and has no final key to go to.
var ErrExhausted = errors.New("retries are used up")

// New returns a middleware that retries messages through publisher, under keys made
// from keyPattern by putting the number of the retry, from 1, in place of %attempt%
// (%attempts% means the same). It is safe for many goroutines and allocates nothing on
// success.
//
// The stack refuses a nil publisher, an empty pattern, and a pattern without %attempt%
// where there is more than one attempt: all would share one key, and so one delay.
func New(publisher processor.Publisher, keyPattern string, opts ...Option) processor.Middleware {
	c := config{publisher: publisher, pattern: keyPattern, parts: parse(keyPattern), attempts: DefaultAttempts}
	for _, o := range opts {
		o(&c)
	}
	if err := c.check(); err != nil {
		return processor.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &retry{config: c, next: next}
	}
}

type retry struct {
	config
	next processor.Processor
}

var _ processor.Layer = (*retry)(nil)

// Name is "retry".
func (*retry) Name() string { return "retry" }

// Role is [processor.Retries].
func (*retry) Role() processor.Role { return processor.Retries }

// Process runs the inner layers and republishes the message if they fail.
func (r *retry) Process(ctx context.Context, msg processor.Message) error {
	err := r.next.Process(ctx, msg)
	if err == nil {
		return nil
	}
	switch d := processor.Decide(err); d.Action {
	case processor.Failed:
		return r.failed(ctx, msg, err)
	case processor.Rejected:
		return r.rejected(ctx, msg, err)
	default:
		return err
	}
}

// failed publishes the next attempt, or the last copy.
func (r *retry) failed(ctx context.Context, msg processor.Message, err error) error {
	if ctx.Err() != nil {
		return processor.Requeue(err)
	}
	if r.filter != nil && !r.filter(err) {
		return err
	}
	done := r.count(msg.Headers())
	if done >= r.attempts {
		if r.finalKey == "" {
			return fmt.Errorf("retry: %w after %d: %w", ErrExhausted, done, err)
		}
		return r.park(ctx, msg, done, err)
	}
	e := republish.Envelope(msg)
	if done == 0 {
		republish.SetOrigin(e.Headers, msg.Origin())
	}
	e.Headers[HeaderAttempts] = int64(done + 1)
	return r.publish(ctx, e, Event{
		Message: msg, Err: err, Attempt: done + 1, Attempts: r.attempts,
		To: processor.Destination{Exchange: r.exchange, RoutingKey: r.key(done+1, msg)},
	})
}

// rejected parks the message where the stack has a place for that.
func (r *retry) rejected(ctx context.Context, msg processor.Message, err error) error {
	if r.finalKey == "" {
		return err
	}
	if ctx.Err() != nil {
		return processor.Requeue(err)
	}
	return r.park(ctx, msg, r.count(msg.Headers()), err)
}

func (r *retry) park(ctx context.Context, msg processor.Message, done int, err error) error {
	e := republish.Envelope(msg)
	if done == 0 {
		republish.SetOrigin(e.Headers, msg.Origin())
	}
	e.Headers[HeaderAttempts] = int64(done)
	republish.SetFailure(e.Headers, err, time.Now())
	return r.publish(ctx, e, Event{
		Message: msg, Err: err, Attempt: done, Attempts: r.attempts, Final: true,
		To: processor.Destination{Exchange: r.exchange, RoutingKey: r.finalKey},
	})
}

// publish returns nil when the broker has the copy, and else an error that gives the
// message back to its queue.
func (r *retry) publish(ctx context.Context, e processor.Envelope, ev Event) error {
	if err := r.publisher.Publish(ctx, ev.To, e); err != nil {
		return processor.Requeue(fmt.Errorf("retry: republish to %s: %w; the message had failed with: %w", ev.To, err, ev.Err))
	}
	if r.notify != nil {
		r.notify(ctx, ev)
	}
	if processor.Decide(ev.Err).Stop {
		// The message is dealt with, but the handler's wish to end the run stands.
		return processor.Stop(processor.Drop(ev.Err))
	}
	return nil
}

// count reads the number of retries so far, from 0 to attempts.
func (r *retry) count(h processor.Headers) int {
	n, _ := h.Int64(HeaderAttempts)
	return int(min(max(n, 0), int64(r.attempts)))
}
