package stack

import (
	"context"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
)

type failureKey struct{}

// failures is set once there is a context of [WithFailure]. Until then no message is asked for one: a look through the
// contexts of a consumer costs some 100 ns, more than the layers.
var failures atomic.Bool

// WithFailure returns a context with which a pipeline does not call its handler: err takes the place of
// the handler's error, so the layers retry, park and settle the message as if the handler had failed. A
// nil err changes nothing. It is for runners of pipelines that have failed to prepare a message.
func WithFailure(ctx context.Context, err error) context.Context {
	if err == nil {
		return ctx
	}
	failures.Store(true)
	return context.WithValue(ctx, failureKey{}, err)
}

// failure is the error of [WithFailure], nil if there is none.
func failure(ctx context.Context) error {
	if !failures.Load() {
		return nil
	}
	err, _ := ctx.Value(failureKey{}).(error)
	return err
}

// Built reports whether p is, embeds or decorates a pipeline that [Stack.Then] has built: one that heeds [WithFailure].
func Built(p processor.Processor) bool {
	for part := range inward(p, nil) {
		if built, _ := pipelineIn(part); built != nil && built.head != nil {
			return true
		}
	}
	return false
}
