package backoff

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// again publishes the next attempt. A copy that can never be sent is parked: requeued, its
// message would fail in the same way for ever.
func (b *backoff) again(ctx context.Context, r retry, err error) error {
	e := republish.Again(r.msg, time.Now())
	e.Headers[HeaderBackoffs] = int64(min(r.done+1, maxCount))
	long, problem := b.send(ctx, r, e)
	if long != nil {
		r.delay = long.Longest
		err = &tooLong{r, long, err}
	}
	switch {
	case problem == nil:
		return b.published(ctx, b.event(r, err))
	case b.final != nil && republish.Unsendable(problem):
		return b.park(ctx, r, b.unsent(r, problem, err))
	default:
		return processor.Requeue(b.unsent(r, problem, err))
	}
}

// send hands the copy to the delays. One that is to wait longer than anything can waits for
// the longest there is, which long then tells.
func (b *backoff) send(ctx context.Context, r retry, e processor.Envelope) (long *delay.TooLongError, problem error) {
	problem = b.sender.Send(ctx, r.msg, r.String(), func(ctx context.Context) error {
		problem := b.delayer.Delay(ctx, b.sender.Publisher, e, r.delay)
		if long == nil && errors.As(problem, &long) {
			r.delay = min(r.delay, long.Longest)
			problem = b.delayer.Delay(ctx, b.sender.Publisher, e, r.delay)
		}
		return problem
	})
	return long, problem
}

func (b *backoff) unsent(r retry, problem, err error) error {
	return b.sender.Unsent("copy", fmt.Sprintf("%s, to queue %q,", r, b.queue), problem, err)
}

// expired is the end of a message that has used up its retries.
func (b *backoff) expired(ctx context.Context, r retry, err error) error {
	if err = r.expired(err); b.final == nil {
		return err
	}
	return b.park(ctx, r, err)
}

// park publishes the last copy.
func (b *backoff) park(ctx context.Context, r retry, err error) error {
	e := republish.Final(r.msg, republish.Failure{Err: err, At: time.Now(), Count: int64(r.done) + 1, Stack: b.stack})
	e.Headers[HeaderBackoffs] = int64(r.done)
	parked, err := b.sender.Park(ctx, r.msg, *b.final, e, err)
	if !parked {
		return processor.Requeue(err)
	}
	return b.published(ctx, Event{
		Message: r.msg, Err: err, Attempt: r.done, Limit: r.limit, Final: true, To: *b.final,
	})
}

// published returns what has the original acked, now that the broker has the copy. What is
// not as usual is an error all the same, so that somebody sees it.
func (b *backoff) published(ctx context.Context, ev Event) error {
	b.report(ctx, ev)
	if b.notify != nil {
		if problem := b.sender.Guard("OnBackoff", ev.Err, func() { b.notify(ctx, ev) }); problem != nil {
			return processor.Drop(problem)
		}
	}
	_, long := ev.Err.(*tooLong) //nolint:errorlint // not wrapped here, and As may panic on a handler's error
	if long || republish.IsUnsent(ev.Err) || processor.Decide(ev.Err).Stop {
		return processor.Drop(ev.Err) // a wish to end the run stands
	}
	return nil
}
