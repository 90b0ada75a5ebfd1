package consumer

import (
	"context"
	"log/slog"
	"time"

	"github.com/gowarren/warren/internal/logattr"
	"github.com/gowarren/warren/processor"
)

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
		r.log.LogAttrs(ctx, slog.LevelError, "a layer failed while idle", logattr.Err(err))
	}
}
