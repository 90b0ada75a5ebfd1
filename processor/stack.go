package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// Stack is a list of middlewares, outermost first. It is an immutable value: [Stack.With]
// copies, so stacks can share a common part. The zero value is an empty stack.
type Stack struct {
	middlewares []Middleware
}

// NewStack returns a stack of the given middlewares, outermost first.
func NewStack(outermost ...Middleware) Stack {
	return Stack{slices.Clone(outermost)}
}

// With returns a copy of the stack with more layers inside the innermost.
func (s Stack) With(inner ...Middleware) Stack {
	return Stack{slices.Concat(s.middlewares, inner)}
}

// Then builds the pipeline m1(m2(m3(handler))).
//
// It refuses a nil middleware or handler, and then returns every other reason why the
// stack cannot work: options that were wrong (see [Invalid]), and layers in an order that
// loses or doubles messages ([ErrOrder]).
func (s Stack) Then(handler Processor) (*Pipeline, error) {
	if isNil(handler) {
		return nil, errors.New("processor: the handler is nil: pass a Processor to Then, and not the pipeline of a Then that failed")
	}
	p, err := s.wrap(named(handler))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, layer := range shown(p.layers) {
		if c, ok := layer.(Checker); ok {
			errs = append(errs, c.Check())
		}
	}
	errs = append(errs, checkOrder(shown(p.layers)))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}

// ThenFunc is [Stack.Then] with a function as the handler.
func (s Stack) ThenFunc(handler func(ctx context.Context, msg Message) error) (*Pipeline, error) {
	return s.Then(ProcessorFunc(handler))
}

// wrap returns the pipeline, unchecked. A middleware that returns its argument has chosen
// to be no layer.
func (s Stack) wrap(handler Processor) (*Pipeline, error) {
	built := &Pipeline{head: handler, layers: between(handler, nil), inner: inside(handler, nil)}
	for i, m := range slices.Backward(s.middlewares) {
		if m == nil {
			return nil, fmt.Errorf("processor: middleware %d of the stack is nil", i+1)
		}
		p := m(built.head)
		if isNil(p) {
			return nil, fmt.Errorf("processor: middleware %d of the stack returned nil", i+1)
		}
		p = named(p)
		built.layers = slices.Concat(between(p, built.head), built.layers)
		built.inner = append(built.inner, inside(p, built.head)...)
		built.head = p
	}
	return built, nil
}

// Pipeline is a built stack, for one run at a time: build one for each consumer. It is a
// [Processor], safe for many goroutines, and passes
// the lifecycle calls on to those of its layers that have them, which decorating one
// another by hand would hide.
type Pipeline struct {
	head   Processor
	layers []Processor // outermost first, the handler last; those of pipelines inside too
	inner  []*Pipeline // the pipelines inside

	started atomic.Bool
}

var _ Processor = (*Pipeline)(nil)

// Process runs the message through the layers.
func (p *Pipeline) Process(ctx context.Context, msg Message) error {
	return p.head.Process(ctx, msg)
}

// Checker is implemented by layers that can tell, when the stack is built, that they
// cannot work, and by publishers and the like that are handed to one. The error says what
// to change.
type Checker interface {
	Check() error
}

// Invalid returns the middleware of a processor whose options are wrong. [Stack.Then]
// returns err. A pipeline built by hand without that check gives every message back to
// its queue, with err.
func Invalid(err error) Middleware {
	if err == nil {
		err = errors.New("processor: Invalid was called without an error")
	}
	return func(Processor) Processor { return &invalid{err} }
}

type invalid struct{ err error }

func (i *invalid) Check() error                           { return i.err }
func (i *invalid) Process(context.Context, Message) error { return Requeue(i.err) }
