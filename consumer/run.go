package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/gate"
	"github.com/gowarren/warren/internal/lines"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Why the context of the messages in flight ends.
var (
	errDrained = fmt.Errorf("consumer: the drain deadline has passed: %w", processor.ErrShutdown)
	errAborted = fmt.Errorf("consumer: the run was aborted: %w", processor.ErrShutdown)
)

// run is one call of Run.
type run struct {
	*Consumer
	log   *slog.Logger
	lines *lines.Lines[delivery] // messages that wait for an earlier message with its key
	turn  chan struct{}          // held by the worker that receives, with OrderBy
	gate  *gate.Gate
	sub   broker.Subscription

	intake    context.Context //nolint:containedctx // ends with the intake
	endIntake context.CancelCauseFunc
	hands     context.Context //nolint:containedctx // of the messages in flight; ends at the drain deadline
	endHands  context.CancelCauseFunc

	workers sync.WaitGroup
	returns *pacing.Returns
	holding atomic.Int64 // messages that are held before they go back
}

var _ stack.Run = (*run)(nil)

func newRun(ctx context.Context, c *Consumer) *run {
	log := patience.Logger(logattr.Or(c.options.logger), grace)
	waiting := lines.New(&c.stats.waiting, &c.stats.released, delivery.Lost)
	r := &run{Consumer: c, log: log, lines: waiting, turn: make(chan struct{}, 1), gate: gate.New(log), returns: pacing.NewReturns(c.options.workers)}
	r.intake, r.endIntake = context.WithCancelCause(ctx)
	r.hands, r.endHands = context.WithCancelCause(context.WithoutCancel(ctx))
	return r
}

// End stops the intake. The first reason counts.
func (r *run) End(reason error) { r.endIntake(&ending{reason}) }

// Abort ends the messages in flight as well.
func (r *run) Abort(reason error) {
	r.End(reason)
	r.endHands(errAborted)
}

// Pause stops receiving before it returns.
func (r *run) Pause() (resume func()) { return r.gate.Pause() }

// consume runs the workers until the intake ends, and then drains.
func (r *run) consume() error {
	if err := r.subscribe(); r.sub == nil {
		return errors.Join(r.reason(), err)
	}
	r.announce()
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

// announce calls the functions given to OnReady. A panic ends the run before its first message.
func (r *run) announce() {
	for _, ready := range r.options.ready {
		if err := callback.Call("consumer: the function given to OnReady", ready); err != nil {
			r.End(err)
		}
	}
}

// subscribe subscribes once no layer's Start pauses the run. It is no error if the intake has
// ended before.
func (r *run) subscribe() error {
	if !r.gate.Await(r.intake) {
		return nil
	}
	var sub broker.Subscription
	err := r.await(func() (err error) {
		sub, err = r.source.Subscribe(r.intake, broker.SubscribeOptions{
			Prefetch: r.options.prefetch(), Ordered: r.options.key != nil,
			Base: r.hands, Returning: r.returning, FinishLost: r.options.finishLost, Consumer: r.options.consumer,
		})
		return err
	}, func() error { return patience.Within(r.intake, closeTimeout, sub.Close) })
	switch {
	case err == nil:
		r.sub = sub
		r.gate.Attach(sub)
		return nil
	case errors.Is(err, ErrAbandoned):
	case r.intake.Err() != nil:
		return nil //nolint:nilerr // asked to end before it began
	}
	return fmt.Errorf("consumer: subscribe: %w", err)
}

// start starts the layers, and stops them again if their Start was abandoned and returns in the end.
func (r *run) start(ctx context.Context) error {
	s, ok := r.handler.(stack.Starter)
	if !ok {
		return nil
	}
	return r.await(func() error { return s.Start(stack.WithRun(r.intake, r)) }, func() error { return r.stop(ctx) }) //nolint:contextcheck // the intake's, with the run
}

// await calls f, which should return when the intake ends. If it does not, it is abandoned, and undone
// when it succeeds in the end.
func (r *run) await(f, undo func() error) error {
	err := patience.Until(r.intake, grace, f, func(err error) {
		if err == nil {
			err = undo()
		}
		r.log.Warn("what was abandoned has returned", slog.Any("error", err))
	})
	if errors.Is(err, patience.ErrIgnored) {
		return fmt.Errorf("%w: %w", ErrAbandoned, err)
	}
	return err
}

// began runs f in a goroutine and returns a channel that is closed when f returns.
func began(f func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	return ended
}

// ending marks an end by the run itself, not by a caller that cancelled.
type ending struct{ err error }

func (e *ending) Error() string { return fmt.Sprint("consumer: ended: ", e.err) }

// reason returns what Run returns: nil after a regular end.
func (r *run) reason() error {
	if e, ok := context.Cause(r.intake).(*ending); ok { //nolint:errorlint // never wrapped
		return e.err
	}
	return nil
}
