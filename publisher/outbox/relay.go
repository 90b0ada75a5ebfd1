package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/internal/silent"
	"github.com/gowarren/warren/processor"
)

// Relay publishes what an outbox has, and deletes it when the broker has confirmed it. Any number of relays,
// in any number of processes, may work on one table.
type Relay struct {
	relayConfig
	db   *sql.DB
	next processor.Publisher
	wake chan struct{}

	silences silent.Destinations
	silent   silentOnes
}

// NewRelay returns a relay that reads the table from db and publishes through next. It does nothing before [Relay.Run].
//
// The error is about wrong options, a nil db, and a next that is nil or cannot work ([processor.Check]), or that is
// an outbox itself.
func NewRelay(db *sql.DB, d Dialect, next processor.Publisher, opts ...RelayOption) (*Relay, error) {
	c, err := newRelayConfig(d, opts)
	errs := []error{err, option.Sender("outbox: the publisher", next)}
	if db == nil {
		errs = append(errs, errors.New("outbox: the database is nil: pass what sql.Open returned"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Relay{relayConfig: c, db: db, next: next, wake: make(chan struct{}, 1)}, nil
}

// Wake has the relay look for messages at once. It does not wait, and does nothing while the relay is not running.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it is going to look
	}
}

// Run publishes until ctx ends, and then returns nil within 5 seconds, most of which are for the messages in flight. It
// returns an error at once if the table is not as expected ([Check]), and later only when next is closed.
// Trouble with the database is logged, and tried again.
func (r *Relay) Run(ctx context.Context) error {
	if err := Check(ctx, r.db, r.dialect, r.table); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for i := range r.workers {
		workers.Go(func() {
			if err := r.work(ctx, i == 0); err != nil {
				cancel(err)
			}
		})
	}
	if r.listener != nil {
		workers.Go(func() { r.listen(ctx) })
	}
	workers.Wait()
	if err := context.Cause(ctx); callback.Is(err, processor.ErrClosed) {
		return err
	}
	return nil
}

// Pauses after trouble with the database or the broker.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// work publishes until ctx ends or the publisher is closed. Of the workers one polls, and each wakes another when it has
// found messages.
func (r *Relay) work(ctx context.Context, polls bool) error {
	troubles, told := 0, time.Time{}
	for ctx.Err() == nil {
		begun := time.Now()
		found, err := r.round(ctx)
		switch {
		case callback.Is(err, processor.ErrClosed):
			return fmt.Errorf("outbox: the relay cannot publish: %w", err)
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end is what was asked for
		case err != nil:
			troubles++
			pause := pacing.Jitter(pacing.Doubling(firstPause, lastPause, troubles))
			if troubles == 1 || time.Since(told) >= lastPause {
				told = time.Now()
				logattr.Or(r.log).LogAttrs(ctx, slog.LevelWarn, "the relay of an outbox goes on after a pause",
					slog.String("table", r.table), slog.Duration("pause", pause), logattr.Err(err))
			}
			r.rest(ctx, polls, pause, begun)
		case found:
			troubles = 0
			r.Wake()
		default:
			troubles = 0
			r.idle(ctx, polls)
		}
	}
	return nil
}

// rest is a pause after trouble, less the time since the round was begun, which may have waited for the broker. It ends early, though not
// at once, when there may be new messages: their destination may be a better one.
func (r *Relay) rest(ctx context.Context, polls bool, pause time.Duration, begun time.Time) {
	least := min(pause, late)
	pacing.Sleep(ctx, least-time.Since(begun))
	if pause -= max(least, time.Since(begun)); pause <= 0 {
		return
	}
	if polls {
		pause = min(pause, r.poll)
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-r.wake:
	case <-t.C:
	case <-ctx.Done():
	}
}

// idle waits until there may be messages.
func (r *Relay) idle(ctx context.Context, polls bool) {
	var poll <-chan time.Time
	if polls {
		t := time.NewTimer(r.poll)
		defer t.Stop()
		poll = t.C
	}
	select {
	case <-r.wake:
	case <-poll:
	case <-ctx.Done():
	}
}

// listen wakes the relay at each notification.
func (r *Relay) listen(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		var err error
		problem := callback.Apart("outbox: the listener", func() { err = r.listener.Wait(ctx) })
		if err = errors.Join(problem, err); err == nil {
			failures = 0
			r.Wake()
			continue
		}
		failures++
		if failures == 1 && ctx.Err() == nil {
			logattr.Or(r.log).LogAttrs(ctx, slog.LevelWarn, "the relay of an outbox cannot listen, and polls", slog.String("table", r.table), logattr.Err(err))
		}
		pacing.Sleep(ctx, pacing.Jitter(pacing.Doubling(firstPause, lastPause, failures)))
	}
}

// round takes messages, publishes them and deletes those that are confirmed. It reports whether anything was found that may have
// left more.
func (r *Relay) round(ctx context.Context) (found bool, err error) {
	// Whatever the database has to do after the end of ctx, it is over in time for Run.
	writing, done := patience.Outlive(ctx, 2*drain)
	defer done()
	c, err := r.claim(ctx)
	if err != nil || c == nil {
		return false, err
	}
	d := r.deliver(ctx, writing, c)
	err = r.settle(writing, c, &d.ledger, nil)
	return d.ledger.settled > 0 || d.found, errors.Join(err, d.trouble)
}
