package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/processor"
)

const (
	// quiet is how long to wait for a message before asking whether the queue has more.
	quiet = time.Second
	// grace is the time for a publish that is under way when ctx ends.
	grace = 5 * time.Second
	// toReturn is the time for messages to go back.
	toReturn = 10 * time.Second
	// maxBarren is how many rounds in a row may move nothing before the run gives up.
	maxBarren = 3
)

// Why a round ends before its time, and the next begins.
var (
	errLost = fmt.Errorf("a channel was lost, and what was held has gone back: %w", processor.ErrStale)
	errHeld = errors.New("messages were held for as long as they may be, and all that stays has not been seen: give HoldFor more time, if the broker allows, or move more")
)

// run is one call of Run.
type run struct {
	config

	broker    Broker
	publisher processor.Publisher
	queue     string
	route     Route
	pace      pace

	counts Counts
	gone   int // messages moved out of the queue, by this round or an earlier one
	twice  int // messages that were moved, and are still in the queue
}

// all counts the messages of the queue, and starts rounds until they have been seen.
func (r *run) all(ctx context.Context) error {
	total, err := r.broker.Ready(ctx, r.queue)
	if err != nil {
		return err
	}
	r.counts.Total = total
	for barren := 0; barren < maxBarren; barren++ {
		before := r.gone
		if err = r.round(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, errLost) && !errors.Is(err, errHeld) {
			return err
		}
		if r.gone > before {
			barren = -1
		}
	}
	return err
}

// round begins with the first message of the queue. Nothing is held when it returns.
func (r *run) round(ctx context.Context) (err error) {
	r.counts = Counts{Total: r.counts.Total, Seen: r.gone + r.twice, Moved: r.gone + r.twice}
	h := newHold(r.broker, r.queue)
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), toReturn)
		defer cancel()
		err = errors.Join(err, h.giveBack(ctx))
	}()
	taking, cancel := context.WithTimeoutCause(ctx, r.holdFor, errHeld)
	defer cancel()
	if err := r.take(taking, h); err != nil {
		return ended(taking, err)
	}
	if r.full() {
		return nil
	}
	return ended(taking, h.end(taking))
}

// ended adds the cause to an error from the end of ctx.
func ended(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if err == nil || cause == nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// take moves or holds message after message until there are no more.
func (r *run) take(ctx context.Context, h *hold) error {
	publishing, cancel := patience.Outlive(ctx, grace)
	defer cancel()
	for r.counts.Seen < r.counts.Total+r.twice && !r.full() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.room(ctx); err != nil {
			return err
		}
		msg, err := r.receive(ctx, h)
		if err != nil || msg == nil {
			return err
		}
		if err := r.handle(ctx, publishing, h, msg); err != nil {
			return err
		}
	}
	return nil
}

// full reports whether enough messages have been moved.
func (r *run) full() bool {
	return r.maxMessages != processor.NoLimit && r.counts.Moved >= r.maxMessages
}

// receive waits for the next message. It returns nil if there is none: other consumers may have
// taken some, and some may have expired. A message that is not ready may be on its way here,
// so an empty queue is asked once more.
func (r *run) receive(ctx context.Context, h *hold) (*broker.Delivery, error) {
	for empty := 0; ; {
		wait, cancel := context.WithTimeout(ctx, quiet)
		msg, err := h.next(wait)
		cancel()
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return msg, err
		}
		n, err := r.broker.Ready(ctx, r.queue)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			empty = 0
			continue
		}
		if empty++; empty == 2 {
			return nil, nil //nolint:nilnil // there is none
		}
	}
}

// handle decides about one message. An error ends the round.
func (r *run) handle(ctx, publishing context.Context, h *hold, msg *broker.Delivery) error {
	to, wanted, why := r.destination(msg)
	switch {
	case !wanted || why != nil:
		h.keep(msg)
		r.tell(&r.counts.Left, Event{Message: msg, Outcome: Left, Err: why})
		return nil //nolint:nilerr // it is counted and reported, and the run goes on
	case r.dry:
		h.keep(msg)
		r.tell(&r.counts.Moved, Event{Message: msg, Outcome: Moved, To: to})
		return nil
	}
	if err := r.pace.wait(ctx); err != nil {
		return err // unsettled, it goes back with the others
	}
	return r.move(ctx, publishing, h, msg, to)
}

// destination is where msg goes. A message that is not wanted has none.
func (r *run) destination(msg processor.Message) (to processor.Destination, wanted bool, why error) {
	if r.filter != nil && !r.filter(msg) {
		return to, false, nil
	}
	to, why = r.route(msg)
	if why == nil && to.Exchange == "" && to.RoutingKey == r.queue {
		why = ErrSameQueue
	}
	return to, true, why
}

// move publishes msg, and acks it when the broker has the copy.
func (r *run) move(ctx, publishing context.Context, h *hold, msg *broker.Delivery, to processor.Destination) error {
	err := r.publish(publishing, to, envelope(msg, to, r.keepAttempts))
	if err == nil {
		return r.ack(msg, to)
	}
	if ctx.Err() != nil || errors.Is(err, processor.ErrClosed) {
		return fmt.Errorf("publish to %v: %w", to, err)
	}
	h.keep(msg)
	r.tell(&r.counts.Failed, Event{Message: msg, Outcome: Failed, To: to, Err: err})
	return nil
}

// publish returns a panic of the publisher as an error.
func (r *run) publish(ctx context.Context, to processor.Destination, e processor.Envelope) (err error) {
	if problem := callback.Call("the publisher", func() { err = r.publisher.Publish(ctx, to, e) }); problem != nil {
		return fmt.Errorf("%w: %w", processor.ErrIndeterminate, problem)
	}
	return err
}

// ack acks a message whose copy the broker has.
func (r *run) ack(msg processor.Message, to processor.Destination) error {
	err := msg.Ack()
	switch {
	case errors.Is(err, processor.ErrStale):
		r.twice++
		err = errLost
	case err != nil:
		err = fmt.Errorf("ack a message that was moved to %v: %w", to, err)
	default:
		r.gone++
	}
	r.tell(&r.counts.Moved, Event{Message: msg, Outcome: Moved, To: to})
	return err
}

// tell counts a message and reports it.
func (r *run) tell(count *int, e Event) {
	*count++
	r.counts.Seen++
	if r.notify != nil {
		e.Counts = r.counts
		r.notify(e)
	}
}
