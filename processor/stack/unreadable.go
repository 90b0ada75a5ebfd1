package stack

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// complete keeps messages from the handler whose headers could not all be read, or for which there is no
// context.
type complete struct{ handler processor.Processor }

// guarded is the handler with that guard. A pipeline, also inside visible layers, has its own, inside all its layers: what never reaches the
// handler has to pass these as well, since they may be those that retry and park.
func guarded(handler processor.Processor) processor.Processor {
	for p := range inward(handler, nil) {
		if _, ok := p.(*Pipeline); ok {
			return handler
		}
	}
	return &complete{handler}
}

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
