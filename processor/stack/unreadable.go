package stack

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// complete keeps messages from the handler whose headers could not all be read, or for which there is no
// context.
type complete struct{ handler processor.Processor }

// Process implements [processor.Processor].
func (c *complete) Process(ctx context.Context, msg processor.Message) error {
	if _, unreadable := msg.Headers()[processor.HeaderUnreadable]; unreadable {
		return processor.Reject(processor.ErrUnreadable)
	}
	if err := failure(ctx); err != nil {
		return err
	}
	return c.handler.Process(ctx, msg)
}
