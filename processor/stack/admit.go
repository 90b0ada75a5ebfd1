package stack

import (
	"context"

	"github.com/gowarren/warren/processor"
)

// Admitter is implemented by layers that need to know the order in which the source
// handed out its messages, which workers that take turns do not keep.
type Admitter interface {
	// Admit is called once for each message, before any layer's Process, and for one
	// message after the other. It must not block. It returns the context that the
	// message is processed under, and a function that is called when the message has
	// left the pipeline, also if it never came to this layer.
	Admit(ctx context.Context, msg processor.Message) (admitted context.Context, left func())
}

// Admitters returns the layers of p that are [Admitter], outermost first, or p itself if
// it is one. It is for whoever runs a pipeline.
func Admitters(p processor.Processor) []Admitter {
	var found []Admitter
	for _, layer := range Layers(p) {
		if a, ok := layer.(Admitter); ok {
			found = append(found, a)
		}
	}
	return found
}
