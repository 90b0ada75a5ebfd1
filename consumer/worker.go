package consumer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// work takes messages until the intake ends.
func (r *run) work() {
	var requeued int // in a row
	for r.intake.Err() == nil {
		msg, err := r.sub.Receive(r.intake)
		if err != nil {
			r.sourceEnded(err)
			return
		}
		if r.handle(msg) == processor.Requeued {
			requeued++
			r.pause(requeued)
		} else {
			requeued = 0
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

// handle processes one message and reports what became of it.
func (r *run) handle(msg processor.Message) processor.Action {
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
		return r.unsettled(msg, err)
	}
	d := processor.Decide(err)
	r.stats.actions[d.Action].Add(1)
	if err != nil {
		r.failed(msg, err, d)
	}
	return d.Action
}

// failed logs the error and ends the run if it says so.
func (r *run) failed(msg processor.Message, err error, d processor.Decision) {
	if d.Action != processor.Done {
		r.log.LogAttrs(r.hands, level(d.Action), "message "+d.Action.String(), attributes(msg, err)...)
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
func (r *run) unsettled(msg processor.Message, err error) processor.Action {
	cutShort := r.hands.Err() != nil
	r.release(msg)
	if !cutShort {
		r.end(errors.Join(fmt.Errorf("consumer: message %q of queue %q: %w",
			excerpt.Of(msg.Properties().ID, maxAttribute), msg.Origin().Queue, ErrUnsettled), err))
	}
	return processor.Requeued
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
		r.log.LogAttrs(r.hands, slog.LevelWarn, "message not given back; the broker does so when the channel closes", attributes(msg, err)...)
	}
}

// exited stands in for a worker whose handler ended the goroutine with runtime.Goexit,
// which nothing can stop. It also runs while a panic is on its way up; then the process
// ends, and so does the new worker.
func (r *run) exited(msg processor.Message) {
	if !msg.Settled() {
		r.release(msg)
	}
	r.log.LogAttrs(r.hands, slog.LevelError, "the handler ended its goroutine (runtime.Goexit or a panic); the worker is replaced", attributes(msg, nil)...)
	r.workers.Go(func() {
		r.pause(1)
		r.work()
	})
}

// Pauses after messages that were requeued.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pause waits after the nth requeue in a row, between half and all of the nominal
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

// maxAttribute is how many bytes of what a sender wrote go into a log.
const maxAttribute = 256

func level(a processor.Action) slog.Level {
	switch a {
	case processor.Dropped:
		return slog.LevelInfo
	case processor.Requeued:
		return slog.LevelWarn
	default:
		return slog.LevelError
	}
}

func attributes(msg processor.Message, err error) []slog.Attr {
	o := msg.Origin()
	attrs := []slog.Attr{
		slog.String("queue", o.Queue),
		slog.String("message_id", excerpt.Of(msg.Properties().ID, maxAttribute)),
		slog.String("routing_key", excerpt.Of(o.RoutingKey, maxAttribute)),
		slog.Bool("redelivered", o.Redelivered),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", excerpt.Of(err.Error(), 4*maxAttribute)))
	}
	return attrs
}

// watchIdle tells the layers when nothing has arrived for a while.
func (r *run) watchIdle() {
	idler, ok := r.handler.(processor.Idler)
	if !ok {
		return
	}
	ticker := time.NewTicker(r.options.idleInterval)
	defer ticker.Stop()
	before := r.stats.received.Load()
	for {
		select {
		case <-r.intake.Done():
			return
		case <-ticker.C:
		}
		now := r.stats.received.Load()
		if now == before && r.stats.inHand.Load() == 0 {
			r.idle(r.hands, idler)
		}
		before = now
	}
}

func (r *run) idle(ctx context.Context, idler processor.Idler) {
	err := idler.Idle(ctx)
	if err == nil {
		return
	}
	switch d := processor.Decide(err); {
	case d.Stop && d.Action == processor.Done:
		r.end(nil)
	case d.Stop:
		r.end(err)
	default:
		r.log.LogAttrs(ctx, slog.LevelError, "a layer failed while idle", slog.String("error", excerpt.Of(err.Error(), 4*maxAttribute)))
	}
}
