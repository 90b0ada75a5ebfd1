package processor

import "context"

// Run is a run of a consumer, in the hands of a layer that ends or pauses it. Its methods
// do not block, and may be called from any goroutine, also when the run is over.
type Run interface {
	// End takes no more messages and lets those in hand finish; see the consumer for how
	// long. The run then returns err. The first reason counts.
	End(err error)
	// Abort is End, and ends the context of the messages in hand at once.
	Abort(err error)
	// Pause takes no more messages until resume is called. Those that the broker has
	// handed out and nobody has begun go back to their queue; those in hand go on. While
	// several pauses are on, the last resume counts. A second call of resume does nothing.
	Pause() (resume func())
}

type runKey struct{}

// WithRun returns the context to call [Starter] with. It is for whoever runs a pipeline
// and can be ended or paused.
func WithRun(ctx context.Context, run Run) context.Context {
	return context.WithValue(ctx, runKey{}, run)
}

// RunFrom returns the run that a layer is started for, by the context of its Start. It is
// nil if whoever runs the pipeline cannot be ended or paused.
func RunFrom(ctx context.Context) Run {
	run, _ := ctx.Value(runKey{}).(Run)
	return run
}

// Admitter is implemented by layers that need to know the order in which the source
// handed out its messages, which workers that take turns do not keep.
type Admitter interface {
	// Admit is called once for each message, before any layer's Process, and for one
	// message after the other. It must not block. It returns the context that the
	// message is processed under, and a function that is called when the message has
	// left the pipeline, also if it never came to this layer.
	Admit(ctx context.Context, msg Message) (admitted context.Context, left func())
}

// Admitters returns the layers of p that are [Admitter], outermost first, or p itself if
// it is one. It is for whoever runs a pipeline.
func Admitters(p Processor) []Admitter {
	var found []Admitter
	for _, layer := range Layers(p) {
		if a, ok := layer.(Admitter); ok {
			found = append(found, a)
		}
	}
	return found
}

// Layers returns the layers of p as far as they show themselves, outermost first and the
// handler last, or p itself if it is no pipeline. It is for whoever runs a pipeline, and
// wants to know whether there is all that the layers need.
func Layers(p Processor) []Processor { return shown(between(p, nil)) }
