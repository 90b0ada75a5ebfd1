package respond

import (
	"context"
	"errors"

	"github.com/gowarren/warren/internal/outgoing"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Result is a message that is sent when the handler has succeeded.
type Result = outgoing.Result

// Handler returns a handler whose results the layer made by [New] sends. The layer has to be in its stack. If
// it returns an error, the results are discarded.
func Handler(handle func(ctx context.Context, msg processor.Message) ([]Result, error)) processor.Processor {
	if handle == nil {
		return &handler{problem: errors.New("respond: the handler is nil")}
	}
	return &handler{next: processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
		results, err := handle(ctx, msg)
		return put(ctx, results, err)
	})}
}

// Typed is [Handler] for a function that takes the decoded body; see [processor.Typed].
func Typed[T any](decode processor.Decoder, handle func(ctx context.Context, value T, msg processor.Message) ([]Result, error)) processor.Processor {
	if handle == nil {
		return Handler(nil)
	}
	return &handler{next: processor.Typed(decode, func(ctx context.Context, value T, msg processor.Message) error {
		results, err := handle(ctx, value, msg)
		return put(ctx, results, err)
	})}
}

// put gives the results to the layer. A decision that is no failure, such as [processor.ErrStop], keeps them.
func put(ctx context.Context, results []Result, err error) error {
	if processor.Decide(err).Action != processor.Done {
		return err
	}
	return errors.Join(outgoing.Put(ctx, results), err)
}

type handler struct {
	next    processor.Processor
	problem error
}

var (
	_ stack.Needer      = (*handler)(nil)
	_ stack.Wrapper     = (*handler)(nil)
	_ processor.Checker = (*handler)(nil)
)

// Name is "respond handler".
func (*handler) Name() string { return "respond handler" }

// Role is "".
func (*handler) Role() stack.Role { return "" }

// Needs returns [stack.Responds] and [stack.Stores].
func (*handler) Needs() (oneOf []stack.Role, remedy string) {
	return []stack.Role{stack.Responds, stack.Stores}, "no layer sends its results: put respond.New(...) into the stack, inside the layers that retry"
}

// Check returns an error if there is no function.
func (h *handler) Check() error { return h.problem }

// Unwrap returns the function, nil if there is none.
func (h *handler) Unwrap() processor.Processor { return h.next }

// Process calls the function.
func (h *handler) Process(ctx context.Context, msg processor.Message) error {
	if h.problem != nil {
		return processor.Requeue(h.problem)
	}
	return h.next.Process(ctx, msg)
}
