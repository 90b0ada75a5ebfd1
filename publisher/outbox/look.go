package outbox

import (
	"context"
	"maps"
	"slices"
	"time"
)

// look reads more for other destinations than those that are late, in the slots that it needs for these and in those that nobody
// has. It first writes down what is known, since of a key only that tells which message is next, and gives back the slots of which
// nothing is in flight. So one worker does not keep others from what it does not publish.
func (d *delivery) look(ctx context.Context) {
	if !d.goesOn(ctx) || !d.settle() || !d.goesOn(ctx) || d.blind || d.isFull() {
		return
	}
	left, complete := d.leaveOut()
	if !complete {
		return
	}
	limit := d.limit()
	if d.failed(d.relay.extend(ctx, d.claim, limit, left), limit) || !d.goesOn(ctx) {
		return
	}
	d.read(ctx)
}

// limit is how long a statement may take: nothing that is read later is begun.
func (d *delivery) limit() time.Time {
	if soon := time.Now().Add(statements); soon.Before(d.last) {
		return soon
	}
	return d.last
}

// read reads what can be published now.
func (d *delivery) read(ctx context.Context) {
	if len(d.claim.slots) == 0 {
		return
	}
	limit := d.limit()
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	left, _ := d.leaveOut()
	rows, err := d.relay.read(ctx, d.claim, left)
	if !d.failed(err, limit) {
		d.fresh, d.suspects = split(byKey(rows))
	}
}

// failed notes trouble. A look that takes too long is none, and is the last one of its delivery.
func (d *delivery) failed(err error, limit time.Time) bool {
	switch {
	case err == nil:
		return false
	case len(d.flights)+len(d.out) > 0 && !time.Now().Before(limit):
		d.blind = true
	default:
		d.trouble = err
	}
	return true
}

// leaveOut returns what is not read.
func (d *delivery) leaveOut() (l leftOut, complete bool) {
	busy := slices.Concat(slices.Collect(maps.Keys(d.flights)), slices.Collect(maps.Keys(d.out)))
	return leaveOut(busy, d.relay.silent.now(&d.relay.silences))
}

// settle writes down what is known, and reports whether that was done. Queues that wait for a late batch have not begun: their slots may
// belong to others now, so they are let go, and read again.
func (d *delivery) settle() bool {
	d.fresh, d.suspects = nil, nil
	var keep []any
	for s := range d.inFlight {
		if !slices.Contains(keep, any(s.slot)) {
			keep = append(keep, s.slot)
		}
	}
	if err := d.relay.settle(d.writing, d.claim, &d.ledger, keep); err != nil {
		d.trouble = err
		return false
	}
	return true
}

// isFull reports whether so much is in flight that no more is read.
func (d *delivery) isFull() bool {
	messages, size := 0, 0
	for s := range d.inFlight {
		messages++
		size += len(s.envelope.Body)
	}
	return messages > maxHeld*d.relay.batch || size > maxHeld*maxRead
}

// inFlight yields the messages in flight, and those that are next in their queues.
func (d *delivery) inFlight(yield func(stored) bool) {
	for _, f := range d.flights {
		for _, q := range f.queues {
			for _, s := range q {
				if !yield(s) {
					return
				}
			}
		}
	}
}
