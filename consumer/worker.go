package consumer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

// work takes messages until the intake ends.
func (r *run) work() {
	for r.intake.Err() == nil {
		s := r.current.Load()
		if s.enter() {
			r.workShift(s)
		}
		if s.isOver() && !r.until(s.next) {
			return
		}
	}
}

// workShift takes messages until the shift ends.
func (r *run) workShift(s *shift) {
	defer s.workers.Done()
	var back int // messages in a row that went back
	for !s.isOver() {
		d, err := r.receive(s)
		if err != nil {
			r.receiveFailed(s, err)
			return
		}
		if r.handle(d) {
			back++
			r.pause(s, back)
		} else {
			back = 0
		}
	}
}

// receiveFailed ends the run if the reason is the source's: in a shift that is over, it is
// ours.
func (r *run) receiveFailed(s *shift, err error) {
	switch {
	case s.isOver():
	case errors.Is(err, io.EOF):
		r.End(nil)
	default:
		r.End(fmt.Errorf("consumer: receive: %w", err))
	}
}

// handle processes one message and reports whether it comes again at once.
func (r *run) handle(d delivery) bool {
	msg := d.Message
	r.stats.received.Add(1)
	r.stats.inHand.Add(1)
	returned := false
	defer func() {
		r.stats.inHand.Add(-1)
		if !returned {
			r.exited(d)
		}
		d.leave()
	}()
	err := r.handler.Process(d.ctx, msg)
	returned = true

	decision := processor.Decide(err)
	switch lost := d.life.isOver(); {
	case lost && !isDone(decision):
		r.lost(d, err, decision)
		return false // the source sees to the pace of new channels
	case !msg.Settled():
		r.unsettled(d, err)
		return !lost
	}
	r.stats.actions[decision.Action].Add(1)
	if err != nil {
		r.failed(msg, err, decision)
	}
	return wentBack(msg, decision.Action)
}

// wentBack asks the message, since a handler may nack it and an ack layer may requeue
// what has failed. One that cannot tell went back if the pipeline says so. Where the broker
// holds what has failed, it sees to the pace.
func wentBack(msg processor.Message, a processor.Action) bool {
	if m, ok := msg.(interface{ Held() bool }); ok && m.Held() {
		return false
	}
	if m, ok := msg.(processor.Releaser); ok {
		return m.Returned()
	}
	return a == processor.Requeued
}

// failed logs the error and ends the run if it says so.
func (r *run) failed(msg processor.Message, err error, d processor.Decision) {
	if d.Action != processor.Done {
		r.log.LogAttrs(r.hands, level(d.Action), "message "+d.Action.String(), logattr.Of(msg, err)...)
	}
	r.stopIf(d, err)
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

// isDone reports whether nothing more is to be done for the message.
func isDone(d processor.Decision) bool {
	return d.Action == processor.Done || d.Action == processor.Dropped
}

// lost notes a message that was not processed before its channel was lost. That says nothing
// about the message, and there may be many: the source has logged the reason.
func (r *run) lost(d delivery, err error, decision processor.Decision) {
	if d.Settled() {
		r.stats.released.Add(1)
	} else {
		r.release(d)
	}
	r.log.LogAttrs(r.hands, slog.LevelInfo, "channel of the message is lost, and it comes again", logattr.Of(d, err)...)
	r.stopIf(decision, err)
}

// unsettled gives the message back. If it was cut short, or a layer did not let it in,
// that is all; otherwise the pipeline has forgotten it, and so it will each message until
// the prefetch is full.
func (r *run) unsettled(d delivery, err error) {
	defer r.release(d) // when the run has ended, if this message ends it
	cutShort := d.life.hands.Err() != nil
	decision := processor.Decide(err)
	switch {
	case decision.Action == processor.Released:
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message was not begun, and goes back", logattr.Of(d, err)...)
		r.stopIf(decision, err)
	case !cutShort:
		r.End(errors.Join(fmt.Errorf("consumer: message %q of queue %q: %w",
			d.Properties().ID, d.Origin().Queue, ErrUnsettled), err))
	case err != nil:
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message was cut short, and goes back", logattr.Of(d, err)...)
	}
}

// release gives the message back. Where the order matters and the shift is over, it leaves
// that to the subscription, which gives back all that is unsettled when it is closed.
func (r *run) release(d delivery) {
	r.stats.released.Add(1)
	if r.keepsOrder() && d.shift.isOver() {
		return
	}
	msg := d.Message
	var err error
	if m, ok := msg.(processor.Releaser); ok {
		err = m.Release()
	} else {
		err = msg.Nack(true)
	}
	if err != nil && !errors.Is(err, processor.ErrStale) {
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message not given back; the broker does so when the channel closes", logattr.Of(msg, err)...)
	}
}

// exited stands in for a worker whose handler ended the goroutine with runtime.Goexit,
// which nothing can stop. It also runs while a panic is on its way up; then the process
// ends, and so does the new worker.
func (r *run) exited(d delivery) {
	if !d.Settled() {
		r.release(d)
	}
	r.log.LogAttrs(r.hands, slog.LevelError, "the handler ended its goroutine (runtime.Goexit or a panic); the worker is replaced", logattr.Of(d, nil)...)
	r.workers.Go(func() {
		r.pause(d.shift, 1)
		r.work()
	})
}

// Pauses after messages that went back.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pause waits after the nth message in a row that went back, between half and all of the nominal
// time, so that workers do not march in step. The end of the shift cuts it short.
func (r *run) pause(s *shift, n int) {
	r.resting.Add(1)
	defer r.resting.Add(-1)
	d := min(firstPause<<min(n-1, 10), lastPause)
	t := time.NewTimer(d/2 + rand.N(d/2)) //nolint:gosec // jitter, no secret
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.intake.Done():
	}
}
