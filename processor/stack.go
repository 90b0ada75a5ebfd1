package processor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
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
	if f, ok := handler.(ProcessorFunc); handler == nil || ok && f == nil {
		return nil, errors.New("processor: the handler is nil: pass a Processor to Then")
	}
	layers, err := s.wrap(handler)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, layer := range layers {
		if c, ok := layer.(Checker); ok {
			errs = append(errs, c.Check())
		}
	}
	errs = append(errs, checkOrder(layers))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Pipeline{head: layers[0], layers: layers}, nil
}

// ThenFunc is [Stack.Then] with a function as the handler.
func (s Stack) ThenFunc(handler func(ctx context.Context, msg Message) error) (*Pipeline, error) {
	return s.Then(ProcessorFunc(handler))
}

// wrap returns the layers, outermost first, the handler last. A middleware that
// returns its argument has chosen to be no layer.
func (s Stack) wrap(handler Processor) ([]Processor, error) {
	layers := []Processor{handler}
	next := handler
	for i, m := range slices.Backward(s.middlewares) {
		if m == nil {
			return nil, fmt.Errorf("processor: middleware %d of the stack is nil", i+1)
		}
		p := m(next)
		if p == nil {
			return nil, fmt.Errorf("processor: middleware %d of the stack returned nil", i+1)
		}
		if !same(p, next) {
			layers = append(layers, p)
		}
		next = p
	}
	slices.Reverse(layers)
	return layers, nil
}

// same compares without the panic of == on func types.
func same(a, b Processor) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() &&
		reflect.ValueOf(b).Comparable() && a == b
}

// Pipeline is a built stack. It is a [Processor], safe for many goroutines, and passes
// the lifecycle calls on to those of its layers that have them, which decorating one
// another by hand would hide.
type Pipeline struct {
	head   Processor
	layers []Processor // outermost first, the handler last
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
