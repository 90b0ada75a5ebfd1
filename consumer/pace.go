package consumer

import (
	"sync/atomic"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/pacing"
)

// How long a message is held before it goes back: the first time, and at most.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// pace counts how often messages go back. A queue delivers them again at once, to any worker, and a
// quorum queue gives one up after so many times.
type pace struct {
	counts  *pacing.Returns
	workers int64
	row     atomic.Int64 // messages in a row that went back
	holding atomic.Int64 // messages that are held
}

// returns is how many times it is that d goes back: this message, here or as the broker counts, or
// one message after the other on each worker.
func (p *pace) returns(d *broker.Delivery) int {
	times := max(int64(p.counts.Count(d.Properties().ID, d.Body())), p.row.Add(1)/p.workers)
	if d.Origin().Redelivered { // else it may be a sender's header
		counted, _ := d.Headers().Int64("x-delivery-count")
		times = max(times, min(counted, 100)+1)
	}
	return int(times)
}

// settled notes a message that did not go back.
func (p *pace) settled(d *broker.Delivery) {
	p.row.Store(0)
	if d.Origin().Redelivered {
		p.counts.Forget(d.Properties().ID, d.Body())
	}
}

// returning holds a message before it goes back: from 100 ms on, doubling up to 5 s with each time,
// and between half and all of that, so that workers do not march in step. The end of the intake cuts
// it short, and so do a pause, which holds all, and the loss of its channel. At the end the
// subscription is paused before: so it knows what else is to go back, and in which order.
func (r *run) returning(d *broker.Delivery, lost <-chan struct{}) {
	defer func() {
		if r.intake.Err() != nil {
			r.gate.close()
		}
	}()
	if r.intake.Err() != nil || r.gate.paused() {
		return
	}
	r.pace.holding.Add(1)
	defer r.pace.holding.Add(-1)
	t := time.NewTimer(pacing.Jitter(pacing.Doubling(firstPause, lastPause, r.pace.returns(d))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.gate.isShut():
	case <-r.intake.Done():
	case <-lost:
	}
}
