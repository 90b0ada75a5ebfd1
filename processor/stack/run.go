package stack

import "context"

// Ender ends a run, or all runs of a process. Its methods do not block, and may be called from any
// goroutine, also when all is over.
type Ender interface {
	// End stops receiving and lets in-flight messages finish; see the consumer for how
	// long. The run then returns err. The first reason counts.
	End(err error)
	// Abort is End, and ends the context of in-flight messages at once.
	Abort(err error)
}

// Run lets a layer end or pause the run of a consumer.
type Run interface {
	Ender
	// Pause stops receiving until resume is called. Messages that were delivered and not
	// begun go back to their queue; those in flight go on. While
	// several pauses are on, the last resume counts. A second call of resume does nothing.
	Pause() (resume func())
}

type (
	runKey     struct{}
	processKey struct{}
)

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

// WithProcess returns the context for the runs of one process, which process ends all together. It is for programs
// that run several consumers, such as package consumer/service. Everything that is run with a context derived from
// it belongs to the process; nil takes it out again, as the consumer does for the contexts of messages.
func WithProcess(ctx context.Context, process Ender) context.Context {
	return context.WithValue(ctx, processKey{}, process)
}

// ProcessFrom returns what a layer ends that is about the whole process, such as a limit of its memory: one consumer
// that ends while the others go on would leave its queue to nobody. It ends the run too, and is the run alone unless
// the runner has said [WithProcess]. It is nil if neither can be ended.
func ProcessFrom(ctx context.Context) Ender {
	process, _ := ctx.Value(processKey{}).(Ender)
	switch run := RunFrom(ctx); {
	case run == nil:
		return process
	case process == nil:
		return run
	default:
		return both{process, run}
	}
}

// both are a process and a run of it.
type both struct{ process, run Ender }

func (b both) End(err error) {
	b.process.End(err)
	b.run.End(err)
}

func (b both) Abort(err error) {
	b.process.Abort(err)
	b.run.Abort(err)
}
