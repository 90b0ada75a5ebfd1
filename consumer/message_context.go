package consumer

import (
	"cmp"
	"context"
	"errors"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// MessageContext has f make the context of each message, for all layers and the handler: with the identity that it is
// processed for, its tenant, a logger. f returns a context derived from ctx, which ends with the message's channel
// and the run. It is called once for each delivery, by the worker that processes it, so concurrently; what it can
// take from msg its sender has written. A context that ends by itself, as with a deadline, ends the attempt: a handler
// that fails then has failed as at any error, and the message is retried, parked and settled.
//
// An error of f is an outcome like an error of the handler, which is not called: the layers retry, park and settle
// the message, but for those in the branches of a mux; [processor.Reject] and the like say the same. If no layer
// settles it, it is requeued as a failed attempt. So the processor has to be a pipeline of [stack.Stack.Then]. A
// panic, and a context that is nil, are plain errors. Default: no function.
func MessageContext(f func(ctx context.Context, msg processor.Message) (context.Context, error)) Option {
	return func(o *options) { o.context, o.contextSet = f, true }
}

// contextOf is the one to process the message with.
func (r *run) contextOf(d delivery) context.Context {
	ctx := d.Context()
	if r.options.context == nil {
		return ctx
	}
	var made context.Context
	var err error
	problem := callback.Call("the function", func() { made, err = r.options.context(ctx, d.Delivery) }) //nolint:fatcontext // one for each message
	if made == nil {
		err = cmp.Or(err, errors.New("it is nil: return ctx, or one derived from it"))
	}
	if err = cmp.Or(problem, err); err != nil {
		return stack.WithFailure(ctx, &noContextError{err})
	}
	return made
}

// noContextError is the error of a message that got no context.
type noContextError struct{ err error }

func (e *noContextError) Error() string { return "consumer: MessageContext: " + e.err.Error() }
func (e *noContextError) Unwrap() error { return e.err }

// keptFromHandler reports whether err is of a message that did not reach its handler: it got no context, or its
// headers could not all be read.
func keptFromHandler(err error) bool {
	var none *noContextError
	return callback.As(err, &none) || callback.Is(err, processor.ErrUnreadable)
}
