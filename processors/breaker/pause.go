package breaker

import (
	"context"
	"math"
	"time"

	"github.com/gowarren/warren/processor/stack"
)

// hold is a run that is paused while the circuit is open. mu guards its fields.
type hold struct {
	run    stack.Run
	resume func()
	paused bool
	over   bool
}

// Start pauses the run if the breaker is open.
func (b *breaker) Start(ctx context.Context) error {
	b.mu.Lock()
	if run := stack.RunFrom(ctx); run != nil {
		b.hold = &hold{run: run}
		b.holds[b.hold] = struct{}{}
		b.arm()
	}
	b.mu.Unlock()
	b.catchUp()
	return nil
}

// Stop lets go of the run.
func (b *breaker) Stop(context.Context) error {
	b.mu.Lock()
	if b.hold != nil {
		b.hold.over = true
	}
	b.hold = nil
	b.mu.Unlock()
	b.catchUp()
	return nil
}

// arm sets the timer, or stops it without a run to resume: then the next message asks. It is called
// with mu held.
func (b *circuit) arm() {
	if b.timer != nil {
		b.timer.Stop()
	}
	if p := b.phase.Load(); p.state == Open && len(b.holds) > 0 {
		wait := time.Until(p.until)
		if wait < math.MaxInt64 {
			wait++ // gobreaker wants the time to have passed
		}
		b.timer = time.AfterFunc(wait, b.timeIsUp)
	}
}

// timeIsUp ends the open phase. If gobreaker disagrees, or the timer is an earlier one, it asks
// again later: while all runs are paused, no message does.
func (b *circuit) timeIsUp() {
	p := b.phase.Load()
	if p.state != Open || b.ask(p) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arm()
}

// catchUp does what changes of state require, one thing at a time and with no lock held: the
// functions it calls may call back. If another goroutine is in catchUp, that one does it.
func (b *circuit) catchUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy {
		return
	}
	b.busy = true
	defer func() { b.busy = false }()
	for do := b.next(); do != nil; do = b.next() {
		b.unlocked(do)
	}
}

// unlocked locks again also if do ends the goroutine.
func (b *circuit) unlocked(do func()) {
	b.mu.Unlock()
	defer b.mu.Lock()
	do()
}

// next returns the next thing to do, or nil: first to pause or resume as the phase requires, then
// to report. It is called with mu held.
func (b *circuit) next() func() {
	open := b.phase.Load().state == Open
	for h := range b.holds {
		switch wanted := open && !h.over; {
		case wanted && !h.paused:
			h.paused = true
			return func() { h.resume = h.run.Pause() } // only used by the goroutine in catchUp
		case !wanted && h.paused:
			h.paused = false
			return h.resume
		case h.over:
			delete(b.holds, h)
			b.arm()
		}
	}
	if len(b.changes) == 0 {
		return nil
	}
	to := b.changes[0]
	b.changes = b.changes[1:]
	return func() { b.tell(to) }
}
