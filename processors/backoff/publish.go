package backoff

import (
	"context"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// again publishes the next attempt. A copy that can never be sent is parked: if it were requeued,
// it would fail in the same way without end.
func (b *backoff) again(ctx context.Context, r retry, err error) error {
	e := republish.Again(r.msg, time.Now())
	r.next().write(e.Headers)
	sent, problem := b.send(ctx, r, e)
	if sent.tooLong != nil {
		r.delay = sent.delay
		err = &delayError{r, sent.tooLong, err}
	}
	switch {
	case problem == nil:
		return b.published(ctx, Event{
			Message: r.msg, Err: err, Attempt: r.done + 1, Retries: r.limit(), Delay: r.delay,
			Next: sent.at.Add(r.delay), To: processor.Destination{RoutingKey: b.queue},
		})
	case b.final != nil && republish.Unsendable(problem):
		return b.park(ctx, r, b.unsent(r, problem, err))
	default:
		return republish.GoesBack(b.unsent(r, problem, err))
	}
}

// sent is how a copy was passed to the delays.
type sent struct {
	at      time.Time
	delay   time.Duration
	tooLong *delay.TooLongError // nil if the delay was not
}

// send passes the copy to the delays. If its delay is longer than the longest, it gets the longest.
func (b *backoff) send(ctx context.Context, r retry, e processor.Envelope) (s sent, problem error) {
	s.delay = r.delay
	problem = b.Sender.Send(ctx, r.msg, r.String(), func(ctx context.Context) error {
		s.at = time.Now() // before the broker has it, so it is never due earlier
		problem := b.delayer.Delay(ctx, b.Sender.Publisher, e, s.delay)
		if s.tooLong = tooLong(problem); s.tooLong != nil {
			s.delay = min(s.delay, s.tooLong.Longest)
			problem = b.delayer.Delay(ctx, b.Sender.Publisher, e, s.delay)
		}
		return problem
	})
	return s, problem
}

// tooLong is the error of a delay that is too long, nil if it was not.
func tooLong(problem error) (found *delay.TooLongError) {
	callback.As(problem, &found)
	return found
}

func (b *backoff) unsent(r retry, problem, err error) error {
	due := time.Now().Add(r.delay).UTC().Format(time.RFC3339)
	return b.Sender.Unsent("copy", fmt.Sprintf("%s, at %s, to queue %q,", r, due, b.queue), problem, err)
}

// expired ends the retries of a message that has used them up.
func (b *backoff) expired(ctx context.Context, r retry, err error) error {
	if err = r.expired(err); b.final == nil {
		return err
	}
	return b.park(ctx, r, err)
}

// park publishes the last copy.
func (b *backoff) park(ctx context.Context, r retry, err error) error {
	e := republish.Park(r.msg, republish.Failure{Err: err, At: time.Now(), Count: int64(r.total) + 1, Stack: b.stack})
	r.write(e.Headers)
	parked, err := b.Sender.Park(ctx, r.msg, *b.final, e, err)
	if !parked {
		return republish.GoesBack(err)
	}
	return b.published(ctx, Event{
		Message: r.msg, Err: err, Attempt: r.done, Retries: r.limit(), Parked: true, To: *b.final,
	})
}

// published returns the result that acks the original, now that the broker has the copy.
func (b *backoff) published(ctx context.Context, ev Event) error {
	republish.Tell(ctx, ev.Parked, ev.Err)
	b.report(ctx, ev)
	if b.notify != nil {
		if problem := callback.After("backoff: the function given to OnBackoff", ev.Err, func() { b.notify(ctx, ev) }); problem != nil {
			return processor.Drop(problem)
		}
	}
	if tooEarly(ev.Err) {
		return processor.Drop(ev.Err)
	}
	return republish.Copied(ev.Err)
}
