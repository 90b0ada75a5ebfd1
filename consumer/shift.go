package consumer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/broker"
)

// shift is the time from one pause of a run to the next. It has a subscription of its
// own: that is how what nobody has begun goes back to the queue for the pause, while what
// is in hand can still be settled.
type shift struct {
	sub     broker.Subscription
	stopped chan struct{} // closed when sub has stopped, or need not
	gone    chan struct{} // closed when sub is closed
	next    chan struct{} // closed when the shift after this one has begun

	intake    context.Context    //nolint:containedctx // ends when no more messages are to be taken
	endIntake context.CancelFunc // before the shift is retired, or while it is

	mu      sync.Mutex
	retired bool // no worker enters any more
	workers sync.WaitGroup
}

func newShift(ctx context.Context, sub broker.Subscription) *shift {
	s := &shift{sub: sub, stopped: make(chan struct{}), gone: make(chan struct{}), next: make(chan struct{})}
	s.intake, s.endIntake = context.WithCancel(ctx)
	return s
}

// enter counts a worker in. It returns false if the shift is over.
func (s *shift) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return false
	}
	s.workers.Add(1)
	return true
}

// isOver reports whether no more messages are taken: the shift or the run has ended.
func (s *shift) isOver() bool { return s.intake.Err() != nil }

// end returns false if it was called before. No worker enters after it.
func (s *shift) end() bool {
	s.endIntake()
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.retired
	s.retired = true
	return first
}

// subscribe begins a shift. When the intake has ended meanwhile, that is no error.
func (r *run) subscribe() (*shift, error) {
	sub, err := r.source.Subscribe(r.intake, r.options.prefetch())
	switch {
	case err == nil:
		return newShift(r.intake, sub), nil
	case r.intake.Err() != nil:
		return nil, nil //nolint:nilnil,nilerr // asked to end before it had begun
	default:
		return nil, fmt.Errorf("consumer: subscribe: %w", err)
	}
}

// begin makes the shift the current one. A run that is paused meanwhile takes nothing:
// either this sees the pause, or the pause sees the shift.
func (r *run) begin(s *shift) {
	r.current.Store(s)
	if r.gate.paused() {
		s.endIntake()
	}
}

// keepShifts ends the shift when the run is paused, and begins another after that. paused
// is closed when that is so.
func (r *run) keepShifts(paused <-chan struct{}) {
	for r.until(paused) {
		s := r.current.Load()
		r.log.Info("consuming is paused")
		r.retire(s)
		if r.keepsOrder() && !r.until(s.gone) || !r.until(r.gate.isOpen()) {
			return
		}
		paused = r.gate.isShut() // before the shift is current, so that no pause of it is missed
		next, err := r.subscribe()
		if next == nil {
			if err != nil {
				r.End(err)
			}
			return
		}
		r.log.Info("consuming goes on")
		r.begin(next)
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
		r.past.letGo(func() { r.letGo(s) })
	}
}

// past are the shifts that have ended, until their subscriptions are closed.
type past struct {
	mu     sync.Mutex
	closed bool // nobody waits for more
	shifts sync.WaitGroup
}

// letGo calls f in a goroutine. Whoever abandons handlers does not wait for the keeper of
// the shifts either, which may retire one meanwhile.
func (p *past) letGo(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		go f()
		return
	}
	p.shifts.Go(f)
}

func (p *past) wait() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.shifts.Wait()
}

// letGo stops the subscription, and closes it once it has stopped or has had half of the
// time for it. It is stopped in a goroutine of its own: a broker that hangs must not hold
// up anybody.
//
// Where the order matters it is not stopped: what is given back one by one may end up
// behind the rest of the queue. Closing gives back all at once.
func (r *run) letGo(s *shift) {
	defer close(s.gone)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.intake))
	defer cancel()
	if r.keepsOrder() {
		close(s.stopped)
	} else {
		go func() {
			defer close(s.stopped)
			r.attempt("stop", s.sub.Stop(ctx))
		}()
	}
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
