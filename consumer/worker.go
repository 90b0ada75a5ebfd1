package consumer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// ErrUnsettled ends the run when the pipeline returns without settling a message.
var ErrUnsettled = errors.New("the pipeline returned without settling the message: put processors/ack outermost, or ack in the handler")

// work takes messages until the intake ends. If it had not ended, the end or the failure of the source ends the run.
func (r *run) work() {
	for {
		d, err := r.next()
		switch {
		case err == nil:
			r.handle(d)
			continue
		case r.intake.Err() != nil:
		case errors.Is(err, io.EOF):
			r.End(nil)
		default:
			r.End(fmt.Errorf("consumer: receive: %w", err))
		}
		return
	}
}

// handle processes one message.
func (r *run) handle(d delivery) {
	r.stats.inFlight.Add(1)
	returned := false
	defer func() {
		if !d.Settled() {
			r.release(d) // deferred: a message that ends the run is released after that
		}
		r.stats.inFlight.Add(-1)
		if !d.Returned() {
			r.returns.Settled(d.Delivery)
		}
		r.lines.Leave(d.key)
		if !returned {
			r.exited(d)
		}
	}()
	err := d.problem
	if err == nil {
		err = r.handler.Process(r.contextOf(d), d.Delivery)
	}
	returned = true

	decision := processor.Decide(err)
	if !d.Settled() && !d.Lost() && decision.Action != processor.Released && (d.problem != nil || keptFromHandler(err)) {
		err = errors.Join(err, d.Nack(true)) // layers that settle may be in the handler, as in the branches of a mux
	}
	switch lost := d.Lost(); {
	case lost && decision.Action != processor.Done && decision.Action != processor.Dropped:
		r.lost(d, err, decision)
		return
	case !d.Settled():
		r.unsettled(d, err, decision)
		return
	}
	r.stats.actions[decision.Action].Add(1)
	if err != nil {
		r.failed(d, err, decision)
	}
}

// failed logs the error and ends the run if it says so.
func (r *run) failed(d delivery, err error, decision processor.Decision) {
	level := slog.LevelError
	switch decision.Action {
	case processor.Dropped:
		level = slog.LevelInfo
	case processor.Requeued:
		level = slog.LevelWarn
	}
	if decision.Action != processor.Done {
		r.log.LogAttrs(r.hands, level, "message "+decision.Action.String(), logattr.Of(d, err)...)
	}
	r.stopIf(decision, err)
}

// lost notes a message that was not processed before its channel was lost. It logs no failure: the message is not to
// blame, there may be many, and the source has logged the reason.
func (r *run) lost(d delivery, err error, decision processor.Decision) {
	if d.Settled() {
		r.stats.released.Add(1)
	}
	r.log.LogAttrs(r.hands, slog.LevelInfo, "channel of the message is lost, and it comes again", logattr.Of(d, err)...)
	r.stopIf(decision, err)
}

// unsettled notes a message that is requeued. If it was neither cut short nor released by a layer, the pipeline
// forgets to settle, and would do so until the prefetch is full.
func (r *run) unsettled(d delivery, err error, decision processor.Decision) {
	switch {
	case decision.Action == processor.Released:
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message was not begun, and goes back", logattr.Of(d, err)...)
		r.stopIf(decision, err)
	case d.Context().Err() == nil:
		r.End(errors.Join(fmt.Errorf("consumer: message %q of queue %q: %w",
			d.Properties().ID, d.Origin().Queue, ErrUnsettled), err))
	case err != nil:
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message was cut short, and goes back", logattr.Of(d, err)...)
	}
}

// exited replaces a worker whose goroutine was ended by runtime.Goexit, which nothing can stop. It also runs while a
// panic is on its way up; then the process ends, and so does the new worker.
func (r *run) exited(d delivery) {
	r.log.LogAttrs(r.hands, slog.LevelError, "the handler ended its goroutine (runtime.Goexit or a panic); the worker is replaced", logattr.Of(d, nil)...)
	r.workers.Go(r.work)
}
