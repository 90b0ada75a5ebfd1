package stack

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
