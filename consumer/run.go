package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Why the context of the messages in hand ends.
var (
	errDrained = fmt.Errorf("consumer: the drain deadline has passed: %w", processor.ErrShutdown)
	errAborted = fmt.Errorf("consumer: the run was aborted: %w", processor.ErrShutdown)
)

// run is one call of Run.
type run struct {
	*Consumer
	log       *slog.Logger
	admission admission
	gate      *gate

	intake    context.Context //nolint:containedctx // ends when no more messages are to be taken
	endIntake context.CancelCauseFunc
	hands     context.Context //nolint:containedctx // of the messages in hand; ends at the drain deadline
	endHands  context.CancelCauseFunc
	lives     lives

	workers sync.WaitGroup
	resting atomic.Int64 // workers that pause after a message that went back
	current atomic.Pointer[shift]
	past    past
	over    chan struct{} // closed when every subscription is to be let go of
}

var _ stack.Run = (*run)(nil)

func newRun(ctx context.Context, c *Consumer) *run {
	r := &run{
		Consumer: c, log: logattr.Or(c.options.logger),
		admission: newAdmission(c.handler), gate: newGate(), over: make(chan struct{}),
	}
	r.intake, r.endIntake = context.WithCancelCause(ctx)
	r.hands, r.endHands = context.WithCancelCause(context.WithoutCancel(ctx))
	r.lives.all = map[context.Context]*life{}
	r.lives.endless = &life{channel: context.Background(), hands: r.hands}
	return r
}

// End stops the intake. The first reason counts.
func (r *run) End(reason error) { r.endIntake(&ending{reason}) }

// Abort ends what is in hand as well.
func (r *run) Abort(reason error) {
	r.End(reason)
	r.endHands(errAborted)
}

// Pause ends the shift. Nothing is received when it has returned.
func (r *run) Pause() (resume func()) {
	resume = r.gate.pause()
	if s := r.current.Load(); s != nil {
		s.endIntake()
	}
	return resume
}

// consume runs the workers until the intake ends, and then drains.
func (r *run) consume() error {
	if r.gate.paused() && !r.until(r.gate.isOpen()) {
		return r.reason()
	}
	paused := r.gate.isShut() // before the shift is current, so that no pause of it is missed
	first, err := r.subscribe()
	if first == nil {
		return errors.Join(r.reason(), err)
	}
	r.begin(first)
	for range r.options.workers {
		r.workers.Go(r.work)
	}
	workers := began(r.workers.Wait)
	helpers := began(func() {
		keeper := began(func() { r.keepShifts(paused) })
		r.watchIdle()
		<-keeper
	})

	select {
	case <-r.intake.Done():
	case <-workers: // the source has ended
	}
	err = r.drain(workers, helpers)
	r.endIntake(nil)
	return errors.Join(r.reason(), err)
}

// began runs f in a goroutine and returns a channel that is closed when f returns.
func began(f func()) <-chan struct{} {
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	return ended
}

// until waits for c, and returns false if the intake ended first.
func (r *run) until(c <-chan struct{}) bool {
	select {
	case <-c:
	case <-r.intake.Done():
	}
	return r.intake.Err() == nil
}

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
