package stack

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/processor"
)

// Stack is a list of middlewares, outermost first. It is an immutable value: [Stack.With]
// copies, so stacks can share a common part. The zero value is an empty stack.
type Stack struct {
	middlewares []processor.Middleware
}

// New returns a stack of the given middlewares, outermost first.
func New(outermost ...processor.Middleware) Stack {
	return Stack{slices.Clone(outermost)}
}

// With returns a copy of the stack with more layers inside the innermost.
func (s Stack) With(inner ...processor.Middleware) Stack {
	return Stack{slices.Concat(s.middlewares, inner)}
}

// Then builds the pipeline m1(m2(m3(handler))).
//
// It refuses a nil middleware or handler, and then returns every other reason why the
// stack cannot work: options that were wrong (see [Invalid]), and layers in an order that
// loses or doubles messages ([ErrOrder]).
//
// The handler gets no message whose headers could not all be read: the pipeline rejects it with
// [processor.ErrUnreadable].
func (s Stack) Then(handler processor.Processor) (*Pipeline, error) {
	if isNil(handler) {
		return nil, errors.New("stack: the handler is nil: pass a Processor to Then, and not the pipeline of a Then that failed")
	}
	if err := Check(handler); err != nil {
		return nil, fmt.Errorf("stack: the handler: %w", err)
	}
	p, err := s.wrap(named(handler))
	if err != nil {
		return nil, err
	}
	if err := checkPaths(nil, shown(p.layers)); err != nil {
		return nil, err
	}
	return p, nil
}

// checkPaths checks inner, which stands inside outer, and each way through it.
func checkPaths(outer, inner []processor.Processor) error {
	var errs []error
	for _, layer := range inner {
		if c, ok := layer.(processor.Checker); ok {
			errs = append(errs, c.Check())
		}
	}
	all := slices.Concat(outer, inner)
	errs = append(errs, checkOrder(all, len(outer)))
	if b, ok := all[len(all)-1].(Brancher); ok {
		for _, branch := range b.Branches() {
			errs = append(errs, checkPaths(all, shown(between(branch, nil))))
		}
	}
	return errors.Join(errs...)
}

// ThenFunc is [Stack.Then] with a function as the handler.
func (s Stack) ThenFunc(handler func(ctx context.Context, msg processor.Message) error) (*Pipeline, error) {
	return s.Then(processor.ProcessorFunc(handler))
}

// wrap returns the pipeline, unchecked. A middleware that returns its argument adds no layer.
func (s Stack) wrap(handler processor.Processor) (*Pipeline, error) {
	built := &Pipeline{head: guarded(handler), layers: between(handler, nil), inner: inside(handler, nil)}
	for i, m := range slices.Backward(s.middlewares) {
		if m == nil {
			return nil, fmt.Errorf("stack: middleware %d is nil", i+1)
		}
		p := m(built.head)
		if isNil(p) {
			return nil, fmt.Errorf("stack: middleware %d returned nil", i+1)
		}
		if err := Check(p); err != nil {
			return nil, fmt.Errorf("stack: middleware %d: %w", i+1, err)
		}
		p = named(p)
		built.layers = slices.Concat(between(p, built.head), built.layers)
		built.inner = append(built.inner, inside(p, built.head)...)
		built.head = p
	}
	return built, nil
}
