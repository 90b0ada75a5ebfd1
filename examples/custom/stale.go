package main

import (
	"context"
	"errors"
	"time"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// maxAge is how long a login code is good for.
const maxAge = 15 * time.Minute

// stale rejects codes that came too late; retry parks them. Without a timestamp they go on.
type stale struct{ next processor.Processor }

// Both are optional. A stack that knows the role refuses stale outside ack and retry.
func (stale) Name() string     { return "stale" }
func (stale) Role() stack.Role { return stack.Judges }

func (s stale) Process(ctx context.Context, msg processor.Message) error {
	if sent := msg.Properties().Timestamp; !sent.IsZero() && time.Since(sent) > maxAge {
		return processor.Reject(errors.New("stale: the code has expired"))
	}
	return s.next.Process(ctx, msg)
}

func rejectStale(next processor.Processor) processor.Processor { return stale{next} }
