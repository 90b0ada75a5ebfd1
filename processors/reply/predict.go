package reply

import (
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Predict says what becomes of a request that has a reply-to.
func (r *reply) Predict(o stack.Outcome) stack.Outcome {
	failed := o.Action == processor.Failed || o.Action == processor.Rejected
	switch {
	case !o.Returns(), o.Unknown != "", o.Again, o.ComesBack && failed, o.Action == processor.Requeued, o.Action == processor.Released, o.Case == stack.CaseShutdown:
		return o
	case o.Case == stack.CaseSuccess:
		return o.CopyTo("the caller, as the result")
	case o.Case == stack.CaseRepublishFailed:
		o.Action = processor.Requeued
		return o
	}
	if o.Action == processor.Failed {
		o.Action = processor.Rejected
	}
	return o.CopyTo("the caller, as an error")
}
