package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// HeaderAttempts holds the number of retries so far, unless [Counter] names another header.
const HeaderAttempts = republish.HeaderAttempts

// ErrExhausted is wrapped, with the handler's error, by the error of a message that has used up its
// retries and has no park key.
var ErrExhausted = errors.New("retries are used up")

// New returns a middleware that retries messages through publisher, under keys made from
// keyPattern: %attempt% (or %attempts%) is replaced by the number of the retry, from 1, and %delay%
// by how long it waits; see [Delays]. It is safe for concurrent use and allocates nothing on
// success.
//
// The stack refuses a publisher that is nil, or that is a [processor.Checker] whose Check fails, an
// empty pattern, and a pattern without a placeholder if there is more than one attempt: all would
// share one key, and so one delay.
func New(publisher processor.Publisher, keyPattern string, opts ...Option) processor.Middleware {
	c, err := newConfig(keyPattern, opts)
	if err := errors.Join(option.Sender("retry: the publisher", publisher), err); err != nil {
		return stack.Invalid(err)
	}
	return func(next processor.Processor) processor.Processor {
		return &retry{config: c, Layer: republish.Layer{Next: next, Sender: republish.Sender{
			Name: "retry", Publisher: publisher, KeepTrying: c.keepTrying, Log: c.log,
		}}}
	}
}

type retry struct {
	republish.Layer
	config
}

var (
	_ stack.Layer     = (*retry)(nil)
	_ stack.Wrapper   = (*retry)(nil)
	_ stack.Describer = (*retry)(nil)
	_ stack.Predictor = (*retry)(nil)
	_ stack.Caser     = (*retry)(nil)

	_ processor.Checker     = (*retry)(nil)
	_ broker.TopologyNeeder = (*retry)(nil)
)

// Check refuses a second layer with the same count among the inner ones, and in the branches of a mux, if visible.
func (r *retry) Check() error {
	for p := range stack.Within(r.Next) {
		if inner, ok := p.(*retry); ok && inner.counter == r.counter {
			return fmt.Errorf("retry: two layers count in the header %q, and the retries of one would use up those of the other: give one of them a Counter", r.counter)
		}
	}
	return nil
}

// Process runs the inner layers and republishes the message if they fail.
func (r *retry) Process(ctx context.Context, msg processor.Message) error {
	decision, failed, err := r.Run(ctx, msg)
	switch {
	case !failed:
		return err
	case decision.Action == processor.Rejected:
		return r.rejected(ctx, msg, err)
	default:
		return r.failed(ctx, msg, err)
	}
}

// failed publishes the next attempt, or parks the message.
func (r *retry) failed(ctx context.Context, msg processor.Message, err error) error {
	if processor.CutShort(ctx) {
		return processor.Requeue(err)
	}
	retried, problem := callback.If("retry", r.filter, err)
	if problem != nil {
		return processor.Requeue(problem)
	}
	if !retried {
		return r.rejected(ctx, msg, err)
	}
	done := r.count(msg.Headers())
	if done < r.retries {
		return r.again(ctx, msg, done, err)
	}
	if r.parkKey == "" {
		return fmt.Errorf("retry: %w after %d: %w", ErrExhausted, done, err)
	}
	return r.park(ctx, msg, done, err)
}

// rejected parks a message that must not be retried, if there is a park key.
func (r *retry) rejected(ctx context.Context, msg processor.Message, err error) error {
	if r.parkKey == "" {
		return err
	}
	if processor.CutShort(ctx) {
		return processor.Requeue(err)
	}
	return r.park(ctx, msg, r.count(msg.Headers()), err)
}

// again publishes the next attempt. A copy that can never be sent is parked: if it were requeued,
// it would fail in the same way without end.
func (r *retry) again(ctx context.Context, msg processor.Message, done int, err error) error {
	key, problem := r.key(done+1, msg, err)
	if problem != nil {
		return processor.Requeue(problem)
	}
	to := processor.Destination{Exchange: r.exchange, RoutingKey: key}
	e := republish.Again(msg, time.Now())
	e.Headers[r.counter] = int64(done + 1)
	republish.SavePriority(e)
	if problem = fitsLater(e, to); problem == nil {
		problem = r.Sender.To(republish.Waiting(ctx), msg, to, e)
	}
	switch {
	case problem == nil:
		return r.published(ctx, Event{Message: msg, Err: err, Attempt: done + 1, Retries: r.retries, To: to})
	case r.parkKey != "" && republish.Unsendable(problem):
		return r.park(ctx, msg, done, r.Sender.Unsent("copy", to.String(), problem, err))
	default:
		return republish.GoesBack(r.Sender.Unsent("copy", to.String(), problem, err))
	}
}

// park publishes the last copy.
func (r *retry) park(ctx context.Context, msg processor.Message, done int, err error) error {
	to := processor.Destination{Exchange: r.exchange, RoutingKey: r.parkKey}
	e := republish.Park(msg, republish.Failure{Err: err, At: time.Now(), Count: int64(done) + 1, Stack: r.stack})
	e.Headers[r.counter] = int64(done)
	parked, err := r.Sender.Park(ctx, msg, to, e, err)
	if !parked {
		return republish.GoesBack(err)
	}
	return r.published(ctx, Event{Message: msg, Err: err, Attempt: done, Retries: r.retries, Parked: true, To: to})
}

// published returns the result that acks the original, now that the broker has the copy.
func (r *retry) published(ctx context.Context, ev Event) error {
	republish.Tell(ctx, ev.Parked, ev.Err)
	r.report(ctx, ev)
	if problem := r.tell(ctx, ev); problem != nil {
		return processor.Drop(problem)
	}
	return republish.Copied(ev.Err)
}

// count reads the number of retries so far, from 0 to the limit.
func (r *retry) count(h processor.Headers) int {
	return int(min(republish.Count(h, r.counter), int64(r.retries)))
}
