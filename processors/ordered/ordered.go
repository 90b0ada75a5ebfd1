package ordered

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// errNotAdmitted is the error of a message without a ticket where others have one.
var errNotAdmitted = errors.New("ordered: the context does not come from the message's admission: a layer outside has replaced it, or the pipeline also runs outside its consumer")

// New returns a middleware that processes messages with equal keys one at a time and in
// order. It is safe for many goroutines. It allocates a ticket and a context value for each
// message. The stack refuses a nil key function.
//
// A message whose key function panics has failed, and can be retried. It waits for no
// other.
func New(key Key) processor.Middleware {
	if key == nil {
		return stack.Invalid(errors.New("ordered: the key function is nil: pass one such as ordered.ByRoutingKey, or ordered.ByHeader with a name"))
	}
	return func(next processor.Processor) processor.Processor {
		return &ordered{key: key, lines: newLines(), next: next}
	}
}

type ordered struct {
	key      Key
	lines    *lines
	admitted atomic.Bool // somebody admits messages
	next     processor.Processor
}

var (
	_ stack.Layer     = (*ordered)(nil)
	_ stack.Wrapper   = (*ordered)(nil)
	_ stack.Predictor = (*ordered)(nil)
	_ stack.Admitter  = (*ordered)(nil)
)

// Name is "ordered".
func (*ordered) Name() string { return "ordered" }

// Role is [stack.Orders].
func (*ordered) Role() stack.Role { return stack.Orders }

// Unwrap returns the inner layers.
func (o *ordered) Unwrap() processor.Processor { return o.next }

// Predict passes on what it gets.
func (*ordered) Predict(o stack.Outcome) stack.Outcome { return o }

// Admit gives the message the last place in the line of its key.
func (o *ordered) Admit(ctx context.Context, msg processor.Message) (admitted context.Context, left func()) {
	if !o.admitted.Load() {
		o.admitted.Store(true)
	}
	t := o.ticket(msg)
	return context.WithValue(ctx, ticketOf{o}, t), t.leave
}

// ticketOf is the context key of the ticket of one layer; a stack may have several.
type ticketOf struct{ *ordered }

// ticket takes the last place in the line of the message's key.
func (o *ordered) ticket(msg processor.Message) *ticket {
	key, problem := o.key.make(msg)
	if problem != nil || key == "" {
		return &ticket{problem: problem}
	}
	return o.lines.join(key)
}

// Process runs the inner layers when it is the message's turn.
func (o *ordered) Process(ctx context.Context, msg processor.Message) error {
	t, ok := ctx.Value(ticketOf{o}).(*ticket)
	if !ok {
		if o.admitted.Load() {
			return processor.Release(errNotAdmitted)
		}
		t = o.ticket(msg)
		defer t.leave()
	}
	if t.problem != nil {
		return t.problem
	}
	if err := t.wait(ctx); err != nil {
		return processor.Release(fmt.Errorf("ordered: not begun, an earlier message of its key is still in hand: %w", err))
	}
	return o.next.Process(ctx, msg)
}
