package republish

import (
	"context"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// CutShort reports whether nothing is to be published for a message that has failed: its
// context has ended, or its channel is gone, so that it comes again beside any copy.
func CutShort(ctx context.Context, msg processor.Message) bool {
	return ctx.Err() != nil || lost(msg)
}

// lost does without the context, which may live on by the wish of the consumer's owner.
func lost(msg processor.Message) bool {
	m, ok := msg.(broker.Perishable)
	return ok && m.Life().Err() != nil
}
