package consumer

import (
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/pacing"
)

// How long a message is held before it goes back: the first time, and at most.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// returning holds a message before it goes back: from 100 ms on, doubling up to 5 s with each time,
// and between half and all of that, so that workers do not march in step. The end of the intake cuts
// it short, and so do a pause, which holds all, and the loss of its channel. At the end the
// subscription is paused before: so it knows what else is to go back, and in which order.
func (r *run) returning(d *broker.Delivery, lost <-chan struct{}) {
	defer func() {
		if r.intake.Err() != nil {
			r.gate.Close()
		}
	}()
	if r.intake.Err() != nil || r.gate.Paused() {
		return
	}
	r.holding.Add(1)
	defer r.holding.Add(-1)
	t := time.NewTimer(pacing.Jitter(pacing.Doubling(firstPause, lastPause, r.returns.Count(d))))
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.gate.Shut():
	case <-r.intake.Done():
	case <-lost:
	}
}
