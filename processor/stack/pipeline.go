package stack

import (
	"context"
	"errors"
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

// errNotBuilt is the error of a pipeline that no Then has returned.
var errNotBuilt = errors.New("stack: the pipeline was not built: make it with Then, and look at its error")

// Process runs the message through the layers.
func (p *Pipeline) Process(ctx context.Context, msg processor.Message) error {
	if p == nil || p.head == nil {
		return processor.Requeue(errNotBuilt)
	}
	return p.head.Process(ctx, msg)
}
