package consumer

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// watchIdle tells the layers when nothing has arrived for a while.
func (r *run) watchIdle() {
	ticker := time.NewTicker(r.options.idleInterval)
	defer ticker.Stop()
	before, known := r.stats.received.Load(), true
	for {
		select {
		case <-r.intake.Done():
			return
		case <-ticker.C:
		}
		now, empty := r.stats.received.Load(), !r.gate.Paused() && r.stats.inFlight.Load() == 0 && r.holding.Load() == 0
		if empty && known && now == before {
			r.idle(r.hands)
		}
		before, known = now, empty // else nothing is known of the queue
	}
}

func (r *run) idle(ctx context.Context) {
	err := stack.Idle(ctx, r.handler)
	switch d := processor.Decide(err); {
	case d.Stop:
		r.stopIf(d, err)
	case err != nil:
		r.log.LogAttrs(ctx, slog.LevelError, "a layer failed while idle", logattr.Err(err))
	}
}
