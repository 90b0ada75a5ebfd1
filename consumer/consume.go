package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/processor/stack"
)

// start starts the layers, and stops them again if their Start was abandoned and returns in the end.
func (r *run) start(ctx context.Context) error {
	return r.await("the start of the layers", func() error { //nolint:contextcheck // the intake's, with the run
		return stack.Start(stack.WithRun(r.intake, r), r.handler)
	}, func() error { return r.stop(ctx) })
}

// stop ends the lifecycle of the layers, also after ctx has ended.
func (r *run) stop(ctx context.Context) error {
	err := patience.Within(ctx, closeTimeout, func(ctx context.Context) error { return stack.Stop(ctx, r.handler) })
	if err != nil {
		return fmt.Errorf("consumer: stop: %w", err)
	}
	return nil
}

// consume runs the workers until the intake ends, and then drains.
func (r *run) consume() error {
	if err := r.subscribe(); r.sub == nil {
		return errors.Join(r.reason(), err)
	}
	for _, ready := range r.options.ready {
		if err := callback.Call("consumer: the function given to OnReady", ready); err != nil {
			r.End(err) // before the first message
		}
	}
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

// subscribe subscribes once no layer's Start pauses the run. It is no error if the intake has ended before.
func (r *run) subscribe() error {
	if !r.gate.Await(r.intake) {
		return nil
	}
	var sub broker.Subscription
	err := r.await("the subscription", func() (err error) {
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
	case callback.Is(err, ErrAbandoned):
	case r.intake.Err() != nil:
		return nil //nolint:nilerr // asked to end before it began
	}
	return fmt.Errorf("consumer: subscribe: %w", err)
}

// await calls f, which should return when the intake ends. If it does not, it is abandoned, and undone when it
// succeeds in the end.
func (r *run) await(what string, f, undo func() error) error {
	err := patience.Until(r.intake, grace, f, func(err error) {
		if err == nil {
			err = undo()
		}
		if err != nil {
			r.log.Warn("what was abandoned has failed in the end", slog.String("what", what), logattr.Err(err))
			return
		}
		r.log.Info("what was abandoned has returned, and is undone", slog.String("what", what))
	})
	if callback.Is(err, patience.ErrIgnored) {
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
