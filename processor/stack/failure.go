package stack

import (
	"context"

	"github.com/gowarren/warren/processor"
)

type failureKey struct{}

// WithFailure returns a context with which a pipeline does not call its handler: err takes the place of
// the handler's error, so the layers retry, park and settle the message as if the handler had failed. A
// nil err changes nothing. It is for runners of pipelines that have failed to prepare a message.
func WithFailure(ctx context.Context, err error) context.Context {
	if err == nil {
		return ctx
	}
	return context.WithValue(ctx, failureKey{}, err)
}

// failure is the error of [WithFailure], nil if there is none.
func failure(ctx context.Context) error {
	err, _ := ctx.Value(failureKey{}).(error)
	return err
}

// Built reports whether p is, or embeds, a pipeline that [Stack.Then] has built: one that heeds [WithFailure].
func Built(p processor.Processor) bool {
	built, _ := pipelineIn(p)
	return built != nil && built.head != nil
}
