// Package outgoing carries what a handler wants to be sent to the layer that sends it.
package outgoing

import (
	"context"
	"errors"

	"github.com/gowarren/warren/processor"
)

// Result is a message that a handler wants to be sent.
type Result struct {
	To processor.Destination
	processor.Envelope
}

// Slot is where a handler that has succeeded puts what is to be sent. It belongs to one call of Process; a
// handler that is called again replaces what it has put in.
type Slot[T any] struct {
	Value T
	Full  bool
}

type key[T any] struct{}

// In returns a context whose handler puts into s.
func (s *Slot[T]) In(ctx context.Context) context.Context {
	return context.WithValue(ctx, key[T]{}, s)
}

var errNoLayer = errors.New("no layer sends what the handler returns: put processors/reply or processors/respond into its stack")

// Put fills the slot. Without one the message is requeued: what the handler has done may be lost otherwise.
func Put[T any](ctx context.Context, v T) error {
	s, ok := ctx.Value(key[T]{}).(*Slot[T])
	if !ok {
		return processor.Requeue(errNoLayer)
	}
	s.Value, s.Full = v, true
	return nil
}
