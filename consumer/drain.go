package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/internal/patience"
	"github.com/gowarren/warren/processor"
)

// ErrAbandoned is returned by a run whose handlers, a layer's Start or Idle, or the first Subscribe ignored the end of
// their context. Messages in flight were requeued; the goroutines are left, with what they hold in layers such as dedup
// and breaker. End the program, or build a new pipeline.
var ErrAbandoned = errors.New("what did not return after the end of its context was abandoned")

// drain requeues what was not received, waits for what is in flight, and closes the subscription. It takes no longer
// than the drain timeout, the grace and the close timeout, whatever hangs.
func (r *run) drain(workers, idle <-chan struct{}) error {
	deadline := time.After(r.options.drainTimeout)
	left := r.closeGate()
	r.finishHands(workers, deadline)
	err := r.endure(workers, idle)
	if err := patience.Within(r.intake, left, r.sub.Close); err != nil {
		// Nothing is lost: the broker requeues what a lost connection held.
		r.log.Warn("subscription not closed cleanly", logattr.Err(err))
	}
	return err
}

// closeGate pauses the subscription for good, and returns how much of the close timeout is left. A source may hang in
// that, as in a write that its socket does not take.
func (r *run) closeGate() (left time.Duration) {
	start := time.Now()
	if err := patience.Within(r.intake, grace, func(context.Context) error { r.gate.Close(); return nil }); err != nil {
		r.log.Warn("the source does not pause, and is drained all the same", logattr.Err(err))
	}
	return closeTimeout - time.Since(start)
}

// finishHands waits for the messages in flight, and ends their context.
func (r *run) finishHands(workers <-chan struct{}, deadline <-chan time.Time) {
	select {
	case <-workers:
		r.endHands(processor.ErrShutdown)
	case <-r.hands.Done():
		r.log.Warn("aborted, giving back what is in flight", slog.Int64("in_flight", r.stats.inFlight.Load()))
	case <-deadline:
		r.endHands(errDrained)
		r.log.Warn("drain deadline has passed, giving back what is in flight",
			slog.Duration("timeout", r.options.drainTimeout), slog.Int64("in_flight", r.stats.inFlight.Load()))
	}
}

// endure gives workers and idle hook the grace to see that the run is over.
func (r *run) endure(workers, idle <-chan struct{}) error {
	limit := time.After(grace)
	for _, ended := range []<-chan struct{}{workers, idle} {
		select {
		case <-ended:
		case <-limit:
			return fmt.Errorf("consumer: %w: messages in flight: %d", ErrAbandoned, r.stats.inFlight.Load())
		}
	}
	return nil
}
