package processor

import (
	"context"
	"errors"
	"fmt"
	"reflect"
)

// Decoder turns a body into the value that v points to. encoding/json.Unmarshal is one.
type Decoder func(body []byte, v any) error

// Typed returns a handler that decodes the body into a T first. A message whose body does not
// decode is rejected and not retried: a retry would fail in the same way.
//
//	processor.Typed(json.Unmarshal, func(ctx context.Context, m Mail, msg processor.Message) error {
//		return send(ctx, m)
//	})
func Typed[T any](decode Decoder, handle func(ctx context.Context, value T, msg Message) error) Processor {
	if decode == nil || handle == nil {
		return untyped{}
	}
	return ProcessorFunc(func(ctx context.Context, msg Message) error {
		var value T
		if err := decode(msg.Body(), &value); err != nil {
			return Reject(fmt.Errorf("processor: decode body as %s: %w", reflect.TypeFor[T](), err))
		}
		return handle(ctx, value, msg)
	})
}

// untyped stands for a handler that Typed cannot make.
type untyped struct{}

var (
	_ Checker = untyped{}

	errUntyped = errors.New("processor: Typed needs a decoder, such as json.Unmarshal, and a function")
)

func (untyped) Check() error                           { return errUntyped }
func (untyped) Process(context.Context, Message) error { return Requeue(errUntyped) }
