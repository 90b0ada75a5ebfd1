package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// errDrained ends the context of the messages in hand.
var errDrained = fmt.Errorf("consumer: the drain deadline has passed: %w", processor.ErrShutdown)

// run is one call of Run.
type run struct {
	*Consumer
	log *slog.Logger
	sub processor.Subscription

	intake    context.Context //nolint:containedctx // ends when no more messages are to be taken
	endIntake context.CancelCauseFunc
	hands     context.Context //nolint:containedctx // of the messages in hand; ends at the drain deadline
	endHands  context.CancelCauseFunc

	workers sync.WaitGroup
}

func newRun(ctx context.Context, c *Consumer, sub processor.Subscription) *run {
	r := &run{Consumer: c, log: logattr.Or(c.options.logger), sub: sub}
	r.intake, r.endIntake = context.WithCancelCause(ctx)
	r.hands, r.endHands = context.WithCancelCause(context.WithoutCancel(ctx))
	return r
}

// wait runs the workers until the intake ends, and then drains.
func (r *run) wait() error {
	for range r.options.workers {
		r.workers.Go(r.work)
	}
	workers := began(r.workers.Wait)
	idle := began(r.watchIdle)

	select {
	case <-r.intake.Done():
	case <-workers: // the source has ended
	}
	err := r.drain(workers, idle)
	r.endIntake(nil)
	return errors.Join(r.reason(), err)
}

// began runs f in a goroutine and returns a channel that is closed when f returns.
func began(f func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	return ended
}

// end stops the intake. The first reason counts.
func (r *run) end(reason error) { r.endIntake(&ending{reason}) }

// ending tells a run that ended from a caller that cancelled.
type ending struct{ err error }

func (e *ending) Error() string { return fmt.Sprint("consumer: ended: ", e.err) }

// reason returns what Run returns, nil if somebody asked for the end.
func (r *run) reason() error {
	if e, ok := context.Cause(r.intake).(*ending); ok { //nolint:errorlint // never wrapped
		return e.err
	}
	return nil
}
