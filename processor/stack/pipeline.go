package stack

import (
	"context"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

// Pipeline is a built stack, for one run at a time: build one for each consumer. It is a
// [processor.Processor], safe for many goroutines, and passes the lifecycle calls on to
// the layers that have them. Layers decorated by hand would hide these.
type Pipeline struct {
	head   processor.Processor
	layers []processor.Processor // outermost first, the handler last; those of pipelines inside too
	inner  []*Pipeline           // the pipelines inside

	started atomic.Bool
}

var _ processor.Processor = (*Pipeline)(nil)

// Process runs the message through the layers.
func (p *Pipeline) Process(ctx context.Context, msg processor.Message) error {
	return p.head.Process(ctx, msg)
}
