package outbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// flight is one batch to one destination: the first message of each of its queues.
type flight struct {
	to     processor.Destination
	queues [][]stored
	probe  bool // of a silent destination
	begun  time.Time
	errs   []error // one for each queue

	ended      time.Time
	left       int   // how many were not sent
	why        error // why not
	unanswered bool  // nothing of it was answered
}

// fly publishes the batch. A publisher that panics has failed: the messages may be stored or not.
func (f *flight) fly(ctx context.Context, next processor.Publisher) {
	f.errs = slices.Repeat([]error{fmt.Errorf("%w: outbox: the publisher called runtime.Goexit", processor.ErrIndeterminate)}, len(f.queues))
	batch := make([]processor.Envelope, len(f.queues))
	for i, q := range f.queues {
		batch[i] = q[0].envelope
	}
	var errs []error
	problem := callback.Call("outbox: the publisher", func() { errs = processor.PublishBatch(ctx, next, f.to, batch) })
	switch {
	case problem != nil:
		problem = fmt.Errorf("%w: %w", processor.ErrIndeterminate, problem)
	case errs == nil:
		errs = make([]error, len(batch))
	case len(errs) != len(batch):
		problem = fmt.Errorf("%w: outbox: the publisher returned %d errors for %d messages", processor.ErrIndeterminate, len(errs), len(batch))
	}
	if problem != nil {
		errs = slices.Repeat([]error{problem}, len(batch))
	}
	f.errs = errs
}

// land notes what became of a batch. Queues go on with the next message when the first is confirmed.
func (d *delivery) land(ctx context.Context, f *flight) {
	delete(d.flights, f.to)
	f.ended = time.Now()
	before := d.ledger.settled
	goOn, heard := d.tally(ctx, f)
	if f.why == nil && d.ledger.settled == before && f.left > 0 {
		f.why = fmt.Errorf("outbox: %d messages to %s were not sent: %w", f.left, f.to, processor.ErrSkipped)
	}
	f.unanswered = !heard && ctx.Err() == nil && f.why != nil
	switch {
	case heard:
		d.heard = true
		d.relay.silences.Answered(f.to, f.begun)
	case !f.unanswered:
		d.relay.silences.Forget(f.to)
	}
	if f.why != nil {
		d.out[f.to] = f
		return
	}
	d.fresh = append(d.fresh, goOn...)
}

// tally notes the outcomes of a batch. It returns the queues that have more to send, and whether there was an answer.
func (d *delivery) tally(ctx context.Context, f *flight) (goOn [][]stored, heard bool) {
	for i, err := range f.errs {
		q := f.queues[i]
		switch d.note(ctx, q[0], err) {
		case confirmed:
			heard = true
			if len(q) > 1 {
				goOn = append(goOn, q[1:])
			}
		case answered:
			heard = true
		case skipped:
			goOn = append(goOn, q)
			f.left++
		case untried:
			f.why = err
			f.left++
		case failed:
			if d.publishing.Err() != nil || callback.Is(err, processor.ErrSilent) {
				f.why = cmp.Or(f.why, err)
			}
		}
	}
	return goOn, heard
}

// judge decides about the destinations that have brought no answer. If another was answered meanwhile the broker is well, and
// their messages are left out for a while. Otherwise it may be the broker that takes nothing, which costs no message a wait.
func (d *delivery) judge(ctx context.Context) {
	for to, f := range d.out {
		switch {
		case d.isCutShort(f):
			d.relay.silences.Spare(to)
		case d.isSilent(f):
			d.found = true
			_, first := d.relay.silences.Add(to)
			d.relay.silent.add(to)
			if first {
				logattr.Or(d.relay.log).LogAttrs(ctx, slog.LevelWarn, "a destination of an outbox does not answer, and its messages wait",
					slog.String("table", d.relay.table), slog.String("to", excerpt.Of(to.String(), 512)), logattr.Err(f.why))
			}
		default:
			d.relay.silences.Forget(to)
			if d.trouble == nil && !d.heard {
				d.trouble = f.why
			}
		}
	}
}

// isCutShort reports whether a batch had too little time before the end of the lease: that says nothing.
func (d *delivery) isCutShort(f *flight) bool {
	return f.unanswered && d.publishing.Err() != nil && f.ended.Sub(f.begun) < min(enough, d.relay.lease/6) && !callback.Is(f.why, processor.ErrSilent)
}

func (d *delivery) isSilent(f *flight) bool {
	since := f.begun.Add(late)
	if f.ended.Before(since) {
		since = f.ended
	}
	return f.unanswered && (callback.Is(f.why, processor.ErrSilent) || d.relay.silences.HeardBesides(f.to, since))
}
