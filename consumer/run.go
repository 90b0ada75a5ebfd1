package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

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
	r := &run{Consumer: c, log: c.options.log(), sub: sub}
	r.intake, r.endIntake = context.WithCancelCause(ctx)
	r.hands, r.endHands = context.WithCancelCause(context.WithoutCancel(ctx))
	return r
}

// wait runs the workers until the intake ends, and then drains.
func (r *run) wait() error {
	for range r.options.workers {
		r.workers.Go(r.work)
	}
	idle := make(chan struct{})
	go func() { defer close(idle); r.watchIdle() }()
	done := make(chan struct{})
	go func() { defer close(done); r.workers.Wait() }()

	select {
	case <-r.intake.Done():
	case <-done: // the source has ended
	}
	err := r.drain(done)
	r.endIntake(nil)
	r.endHands(processor.ErrShutdown)
	<-idle
	return errors.Join(r.reason(), err)
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

// drain gives back what nobody has begun, waits for what is in hand, and lets go of the
// subscription. It keeps its deadline whatever handlers and broker do.
func (r *run) drain(done <-chan struct{}) error {
	deadline := time.NewTimer(r.options.drainTimeout)
	defer deadline.Stop()
	r.bounded("stop", r.options.drainTimeout, r.sub.Stop)

	err := r.finishHands(done, deadline.C)
	r.bounded("close", closeTimeout, r.sub.Close)
	return err
}

func (r *run) finishHands(done <-chan struct{}, deadline <-chan time.Time) error {
	select {
	case <-done:
		return nil
	case <-deadline:
	}
	r.log.Warn("drain deadline has passed, giving back what is in hand",
		slog.Duration("timeout", r.options.drainTimeout), slog.Int64("in_hand", r.stats.inHand.Load()))
	r.endHands(errDrained)
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-done:
		return nil
	case <-patience.C:
		return fmt.Errorf("consumer: %w: %d", ErrAbandoned, r.stats.inHand.Load())
	}
}

// bounded calls a method of the subscription with a deadline. Its failure loses
// nothing: the broker gives back what belongs to a connection that is gone.
func (r *run) bounded(what string, timeout time.Duration, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.intake), max(timeout, time.Second))
	defer cancel()
	if err := f(ctx); err != nil {
		r.log.Warn("subscription did not "+what+" cleanly", slog.Any("error", err))
	}
}
