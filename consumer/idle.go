package consumer

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// never differs from every count of messages.
const never = math.MaxUint64

// watchIdle tells the layers when nothing has arrived for a while.
func (r *run) watchIdle() {
	idler, ok := r.handler.(stack.Idler)
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
		switch {
		case r.gate.Paused() || r.stats.inHand.Load() > 0 || r.holding.Load() > 0:
			now = never // nothing is known of the queue
		case now == before:
			r.idle(r.hands, idler)
		}
		before = now
	}
}

func (r *run) idle(ctx context.Context, idler stack.Idler) {
	err := idler.Idle(ctx)
	if err == nil {
		return
	}
	if d := processor.Decide(err); d.Stop {
		r.stopIf(d, err)
	} else {
		r.log.LogAttrs(ctx, slog.LevelError, "a layer failed while idle", logattr.Err(err))
	}
}
