package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/outgoing"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Handler returns a handler that decodes a request with p, calls handle, and gives its result to the layer
// reply, which has to be in the stack. An error is given to the layers as any handler's is: it may be retried,
// and the caller sees only what comes of the last try. A request that does not decode, and a result that
// does not encode, are rejected, which is answered and not retried.
//
//	remote.Handler(remote.JSON, func(ctx context.Context, q Question, msg processor.Message) (Answer, error) {
//		return answer(ctx, q)
//	})
func Handler[Req, Resp any](p Server, handle func(ctx context.Context, args Req, msg processor.Message) (Resp, error)) processor.Processor {
	if p == nil || handle == nil {
		return &handler{problem: errors.New("remote: Handler needs a protocol, such as remote.JSON, and a function")}
	}
	return &handler{call: func(ctx context.Context, msg processor.Message) error {
		var args Req
		if err := p.DecodeRequest(msg, &args); err != nil {
			return processor.Reject(&typed{TypeMalformed, fmt.Errorf("remote: decode the request: %w", err)})
		}
		result, err := handle(ctx, args, msg)
		if err != nil {
			return err
		}
		reply, err := p.EncodeResult(result)
		if err != nil {
			return processor.Reject(&typed{TypeUnserializable, fmt.Errorf("remote: encode the result: %w", err)})
		}
		return outgoing.Put(ctx, reply)
	}}
}

type handler struct {
	call    processor.ProcessorFunc
	problem error
}

var (
	_ stack.Needer      = (*handler)(nil)
	_ processor.Checker = (*handler)(nil)
)

// Name is "remote handler".
func (*handler) Name() string { return "remote handler" }

// Role is "".
func (*handler) Role() stack.Role { return "" }

// Needs returns [stack.Answers].
func (*handler) Needs() (oneOf []stack.Role, remedy string) {
	return []stack.Role{stack.Answers}, "no layer sends its results: put reply.New(...) inside ack and outside the layers that retry"
}

// Check returns an error if the handler lacks its protocol or its function.
func (h *handler) Check() error { return h.problem }

// Process calls the function.
func (h *handler) Process(ctx context.Context, msg processor.Message) error {
	if h.problem != nil {
		return processor.Requeue(h.problem)
	}
	return h.call(ctx, msg)
}

// typed is an error of Warren's with a type for the caller, unless one further in has its own.
type typed struct {
	kind string
	err  error
}

func (t *typed) Error() string { return t.err.Error() }
func (t *typed) Unwrap() error { return t.err }

// RemoteType returns the type of the error inside, if it has one.
func (t *typed) RemoteType() string {
	var inner Typer
	if callback.As(t.err, &inner) {
		return inner.RemoteType()
	}
	return t.kind
}
