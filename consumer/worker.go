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
	var back int // messages in a row that went back
	for r.intake.Err() == nil {
		msg, err := r.sub.Receive(r.intake)
		if err != nil {
			r.sourceEnded(err)
			return
		}
		if r.handle(msg) {
			back++
			r.pause(back)
		} else {
			back = 0
		}
	}
}

// sourceEnded ends the run for a reason that is the source's.
func (r *run) sourceEnded(err error) {
	switch {
	case r.intake.Err() != nil:
	case errors.Is(err, io.EOF):
		r.end(nil)
	default:
		r.end(fmt.Errorf("consumer: receive: %w", err))
	}
}

// handle processes one message and reports whether it went back to its queue.
func (r *run) handle(msg processor.Message) bool {
	r.stats.received.Add(1)
	r.stats.inHand.Add(1)
	returned := false
	defer func() {
		r.stats.inHand.Add(-1)
		if !returned {
			r.exited(msg)
		}
	}()
	err := r.handler.Process(r.hands, msg)
	returned = true

	if !msg.Settled() {
		r.unsettled(msg, err)
		return true
	}
	d := processor.Decide(err)
	r.stats.actions[d.Action].Add(1)
	if err != nil {
		r.failed(msg, err, d)
	}
	return wentBack(msg, d.Action)
}

// wentBack asks the message, since a handler may nack it and an ack layer may requeue
// what has failed. One that cannot tell went back if the pipeline says so.
func wentBack(msg processor.Message, a processor.Action) bool {
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
	if !d.Stop {
		return
	}
	if d.Action == processor.Done {
		r.end(nil)
	} else {
		r.end(err)
	}
}

// unsettled gives the message back. At shutdown that is all; otherwise the pipeline has
// forgotten it, and so it will each message until the prefetch is full.
func (r *run) unsettled(msg processor.Message, err error) {
	cutShort := r.hands.Err() != nil
	r.release(msg)
	switch {
	case !cutShort:
		r.end(errors.Join(fmt.Errorf("consumer: message %q of queue %q: %w",
			msg.Properties().ID, msg.Origin().Queue, ErrUnsettled), err))
	case err != nil:
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message was cut short, and given back", logattr.Of(msg, err)...)
	}
}

func (r *run) release(msg processor.Message) {
	r.stats.released.Add(1)
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
func (r *run) exited(msg processor.Message) {
	if !msg.Settled() {
		r.release(msg)
	}
	r.log.LogAttrs(r.hands, slog.LevelError, "the handler ended its goroutine (runtime.Goexit or a panic); the worker is replaced", logattr.Of(msg, nil)...)
	r.workers.Go(func() {
		r.pause(1)
		r.work()
	})
}

// Pauses after messages that went back.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pause waits after the nth message in a row that went back, between half and all of the nominal
// time, so that workers do not march in step.
func (r *run) pause(n int) {
	d := min(firstPause<<min(n-1, 10), lastPause)
	t := time.NewTimer(d/2 + rand.N(d/2)) //nolint:gosec // jitter, no secret
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.intake.Done():
	}
}
