package watermill

import (
	"context"
	"errors"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Middleware returns layers as a middleware for a Watermill router, for all of its handlers or one.
// Each handler gets a pipeline of its own. For the outcomes see the table in the package
// documentation.
//
// The handler is called with the router's message, under the context that the stack passes inwards;
// with a copy of it if a layer changes the content. The messages that it returns are passed on if
// it has succeeded and its message is acked. A layer that fails after that, inside one that
// retries, does not take them back: the retry produces them once more. The middleware may be called
// concurrently, as by the router.
//
// An error says why the stack cannot work: in a router, or anywhere. A layer that remembers or commits
// a message as processed, such as dedup, has done so before the router publishes what the handler
// produced, and would skip the message when that failed: it needs [Handler]. So do layers that must be
// stopped, such as breaker and sqltx. Those that need to know when the consumer is idle,
// or in which order messages came, need a consumer. A layer that needs a start only is started when
// the router runs the handler; if it fails, so does each message.
func Middleware(layers stack.Stack, dead DeadLetter, opts ...Option) (message.HandlerMiddleware, error) {
	r, err := newRouter(dead, opts)
	// The handlers come later, when an error can no longer be returned.
	_, problem := build(layers, message.PassthroughHandler)
	if err = errors.Join(err, problem); err != nil {
		return nil, err
	}
	return func(h message.HandlerFunc) message.HandlerFunc {
		p, err := build(layers, h)
		if err == nil {
			err = p.Start(context.Background())
		}
		if err != nil {
			return func(*message.Message) ([]*message.Message, error) { return nil, err }
		}
		return func(msg *message.Message) ([]*message.Message, error) { return r.handle(p, msg) }
	}, nil
}

// build returns the pipeline of a handler, if a router has what its layers need.
func build(layers stack.Stack, h message.HandlerFunc) (*stack.Pipeline, error) {
	p, err := layers.Then(last(func(ctx context.Context, c *call, msg processor.Message) ([]*message.Message, error) {
		return c.run(ctx, msg, h)
	}))
	if err != nil {
		return nil, err
	}
	return p, checkLayers(p, unfitAround)
}
