package consumer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/processor"
)

// shift is the time from one pause of a run to the next. It has a subscription of its
// own: that is how what nobody has begun goes back to the queue for the pause, while what
// is in hand can still be settled.
type shift struct {
	sub     processor.Subscription
	stopped chan struct{} // closed when sub has stopped
	next    chan struct{} // closed when the shift after this one has begun

	mu      sync.Mutex
	over    chan struct{} // closed when no more messages are taken
	workers sync.WaitGroup
}

func newShift(sub processor.Subscription) *shift {
	return &shift{sub: sub, stopped: make(chan struct{}), next: make(chan struct{}), over: make(chan struct{})}
}

// enter counts a worker in. It returns false if the shift is over.
func (s *shift) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver() {
		return false
	}
	s.workers.Add(1)
	return true
}

func (s *shift) isOver() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

// end returns false if the shift had ended before. No worker enters after it.
func (s *shift) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isOver() {
		return false
	}
	close(s.over)
	return true
}

// subscribe begins a shift. When the intake has ended meanwhile, that is no error.
func (r *run) subscribe() (*shift, error) {
	sub, err := r.source.Subscribe(r.intake, r.options.prefetch())
	switch {
	case err == nil:
		return newShift(sub), nil
	case r.intake.Err() != nil:
		return nil, nil //nolint:nilnil,nilerr // asked to end before it had begun
	default:
		return nil, fmt.Errorf("consumer: subscribe: %w", err)
	}
}

// keepShifts ends the shift when the run is paused, and begins another after that.
func (r *run) keepShifts() {
	for r.until(r.gate.isShut()) {
		s := r.current.Load()
		r.log.Info("consuming is paused")
		r.retire(s)
		if !r.until(r.gate.isOpen()) {
			return
		}
		next, err := r.subscribe()
		if next == nil {
			if err != nil {
				r.End(err)
			}
			return
		}
		r.log.Info("consuming goes on")
		r.current.Store(next)
		close(s.next)
		if r.intake.Err() != nil {
			r.retire(next) // the drain may have looked for it too early
		}
	}
}

// retire ends the shift. Its subscription lives until what is in hand has been settled,
// or the run lets go.
func (r *run) retire(s *shift) {
	if s.end() {
		r.past.Go(func() { r.letGo(s) })
	}
}

// letGo stops the subscription, and closes it once it has stopped or has had half of the
// time for it. It is stopped in a goroutine of its own: a broker that hangs must not hold
// up anybody.
func (r *run) letGo(s *shift) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.intake))
	defer cancel()
	go func() {
		defer close(s.stopped)
		r.attempt("stop", s.sub.Stop(ctx))
	}()
	for _, done := range []<-chan struct{}{s.stopped, began(s.workers.Wait)} {
		select {
		case <-done:
		case <-r.over:
		}
	}
	cancel()
	start := time.Now()
	select {
	case <-s.stopped:
	case <-time.After(closeTimeout / 2):
		r.log.Warn("subscription does not stop")
	}
	r.attempt("close", bounded(r.intake, closeTimeout-time.Since(start), s.sub.Close))
}
