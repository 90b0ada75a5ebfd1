package watermill

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Handler returns p, usually a [*stack.Pipeline], as a handler for a router that produces no
// messages: AddConsumerHandler. For the outcomes see the table in the package documentation.
//
// A router starts and stops no layers: call the pipeline's Start before it runs and Stop after
// that, if a layer needs it. An error says which layer cannot work in a router.
func Handler(p processor.Processor, dead DeadLetter, opts ...Option) (message.NoPublishHandlerFunc, error) {
	r, err := newRouter(dead, opts)
	if problem := stack.Check(p); problem != nil {
		err = errors.Join(err, fmt.Errorf("watermill: %w", problem))
	} else {
		err = errors.Join(err, checkLayers(p, unfit))
	}
	if err != nil {
		return nil, err
	}
	return func(msg *message.Message) error {
		_, err := r.handle(p, msg)
		return err
	}, nil
}

// Produce is the handler of a stack that produces messages. The router publishes them.
type Produce func(ctx context.Context, msg processor.Message) ([]*message.Message, error)

// HandlerFunc returns produce inside layers as a handler for a router: AddHandler. The router
// publishes the messages of the last call of produce, if it succeeded and its message is acked:
// never those of a failed try.
//
// It refuses what [Middleware] refuses. A layer that needs a start only is started here.
func HandlerFunc(layers stack.Stack, produce Produce, dead DeadLetter, opts ...Option) (message.HandlerFunc, error) {
	r, err := newRouter(dead, opts)
	if produce == nil {
		err = errors.Join(err, errors.New("watermill: the handler is nil: pass a function"))
	}
	p, problem := layers.Then(last(func(ctx context.Context, _ *call, msg processor.Message) ([]*message.Message, error) {
		return produce(ctx, msg)
	}))
	if problem == nil {
		problem = checkLayers(p, unfitAround)
	}
	if err = errors.Join(err, problem); err != nil {
		return nil, err
	}
	if err := p.Start(context.Background()); err != nil {
		return nil, err
	}
	return func(msg *message.Message) ([]*message.Message, error) { return r.handle(p, msg) }, nil
}
