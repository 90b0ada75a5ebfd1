package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/gowarren/warren/broker"
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

// setup is what a consumer keeps from run to run.
type setup struct {
	source  broker.Source
	handler processor.Processor
	options options
	stats   counters
}

// run is one call of Run.
type run struct {
	*setup
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

// delivery is a message with its place in the order.
type delivery struct {
	*broker.Delivery
	key     string // "" waits for no other
	problem error  // why it has failed without a key
}

func newRun(ctx context.Context, s *setup) *run {
	log := patience.Logger(logattr.Or(s.options.logger), grace)
	waiting := lines.New(&s.stats.waiting, &s.stats.released, delivery.Lost)
	r := &run{setup: s, log: log, lines: waiting, turn: make(chan struct{}, 1), gate: gate.New(log), returns: pacing.NewReturns(s.options.workers)}
	r.intake, r.endIntake = context.WithCancelCause(ctx)
	// A consumer that a handler runs is about its own work, not about the process.
	r.hands, r.endHands = context.WithCancelCause(context.WithoutCancel(stack.WithProcess(ctx, nil)))
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

// stopIf ends the run if the decision says so, with err if the message has failed.
func (r *run) stopIf(d processor.Decision, err error) {
	switch {
	case !d.Stop:
	case d.Action == processor.Done || d.Action == processor.Released:
		r.End(nil)
	default:
		r.End(err)
	}
}

// release requeues the message. Before that the delivery calls returning, unless its channel is lost.
func (r *run) release(d delivery) {
	r.stats.released.Add(1)
	if err := d.Release(); err != nil && !errors.Is(err, processor.ErrStale) {
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message not given back; the broker does so when the channel closes", logattr.Of(d, err)...)
	}
}

// returning holds a message before it goes back, by [run.release] or by a layer's nack; where the broker delays what has
// failed, it is not called for that. The end of the intake cuts that short, and so do a pause, which holds all, and the
// loss of its channel. At the end the subscription is paused before: so it knows what else is to go back, and in which
// order. A source may leave it out, and is then paused by the drain alone.
func (r *run) returning(d *broker.Delivery, lost <-chan struct{}) {
	if r.intake.Err() == nil && !r.gate.Paused() {
		r.holding.Add(1)
		r.returns.Hold(d, r.gate.Shut(), r.intake.Done(), lost)
		r.holding.Add(-1)
	}
	if r.intake.Err() != nil {
		r.gate.Close()
	}
}
