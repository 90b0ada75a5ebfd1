package watermill

import (
	"context"
	"errors"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Middleware returns layers as a middleware of Watermill's router, for all of its handlers or
// one. Each handler gets a pipeline of its own. What becomes of a message is in the table of
// the package documentation.
//
// The handler is called with the router's message, whose context is the one that the stack
// passes inwards; with a copy of it if a layer gives it other content. The messages that it
// returns are passed on when it has succeeded and its message is acked. A layer that fails
// after that, inside one that retries, does not take them back: the copy produces them once
// more. It may be called by many goroutines at once, as by the router.
//
// An error says why the stack cannot work: in a router, or anywhere. Layers that have to be
// stopped, such as breaker and sqltx, need [Handler], and those that want to know when
// nothing is waiting or in which order messages came need a consumer. A layer that only has
// to be started is started when the router runs the handler; if it fails, so does each message.
func Middleware(layers stack.Stack, dead DeadLetter, opts ...Option) (message.HandlerMiddleware, error) {
	r, err := newRouter(dead, opts)
	// The handlers come later, when nobody takes an error any more.
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

// build returns the pipeline of a handler, if a router has all that its layers need.
func build(layers stack.Stack, h message.HandlerFunc) (*stack.Pipeline, error) {
	p, err := layers.Then(last(func(ctx context.Context, c *call, msg processor.Message) ([]*message.Message, error) {
		return c.run(ctx, msg, h)
	}))
	if err != nil {
		return nil, err
	}
	return p, checkLayers(p, false)
}
