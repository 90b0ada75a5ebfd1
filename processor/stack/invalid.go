package stack

import (
	"context"
	"errors"

	"github.com/gowarren/warren/processor"
)

// Invalid returns the middleware of a processor whose options are wrong. [Stack.Then]
// returns err. A pipeline built by hand without that check gives every message back to
// its queue, with err.
func Invalid(err error) processor.Middleware {
	if err == nil {
		err = errors.New("stack: Invalid was called without an error")
	}
	return func(processor.Processor) processor.Processor { return &invalid{err} }
}

type invalid struct{ err error }

func (i *invalid) Check() error                                     { return i.err }
func (i *invalid) Process(context.Context, processor.Message) error { return processor.Requeue(i.err) }
