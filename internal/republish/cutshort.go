package republish

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// CutShort reports whether nothing is to be published for a message that has failed: its
// context has ended, or its channel is gone, so that it comes again beside any copy.
func CutShort(ctx context.Context) bool { return ctx.Err() != nil || processor.Lost(ctx) }
