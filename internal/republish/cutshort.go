package republish

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// CutShort reports whether nothing must be published for a failed message: its
// context has ended, or its channel is gone, so that it is redelivered beside any copy.
func CutShort(ctx context.Context) bool { return ctx.Err() != nil || processor.Lost(ctx) }
