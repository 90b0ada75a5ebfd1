package replay

import (
	"context"
	"time"

	"github.com/gowarren/warren/internal/pacing"
	"github.com/gowarren/warren/processor"
)

// pace spaces messages evenly. It does not catch up after a delay.
type pace struct {
	every time.Duration // 0 is no limit
	next  time.Time
}

func newPace(perSecond float64) pace {
	if perSecond == processor.NoLimit {
		return pace{}
	}
	return pace{every: time.Duration(float64(time.Second) / perSecond)}
}

// wait returns when it is the next message's turn, or ctx's error.
func (p *pace) wait(ctx context.Context) error {
	if p.every == 0 {
		return ctx.Err()
	}
	if pacing.Sleep(ctx, time.Until(p.next)) {
		p.next = time.Now().Add(p.every)
	}
	return ctx.Err()
}
