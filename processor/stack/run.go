package stack

import "context"

// Run lets a layer end or pause the run of a consumer. Its methods
// do not block, and may be called from any goroutine, also when the run is over.
type Run interface {
	// End stops receiving and lets in-flight messages finish; see the consumer for how
	// long. The run then returns err. The first reason counts.
	End(err error)
	// Abort is End, and ends the context of in-flight messages at once.
	Abort(err error)
	// Pause stops receiving until resume is called. Messages that were delivered and not
	// begun go back to their queue; those in flight go on. While
	// several pauses are on, the last resume counts. A second call of resume does nothing.
	Pause() (resume func())
}

type runKey struct{}

// WithRun returns the context to call [Starter] with. It is for runners of pipelines that
// can be ended or paused.
func WithRun(ctx context.Context, run Run) context.Context {
	return context.WithValue(ctx, runKey{}, run)
}

// RunFrom returns the run that a layer is started for, from the context of its Start. It is
// nil if the runner of the pipeline cannot be ended or paused.
func RunFrom(ctx context.Context) Run {
	run, _ := ctx.Value(runKey{}).(Run)
	return run
}
