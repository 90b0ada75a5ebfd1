package respond

import (
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Predict says what becomes of a message that fails. Which results a message has only its handler knows.
func (r *respond) Predict(o stack.Outcome) stack.Outcome {
	if r.errors == nil || !o.Returns() || o.Case == stack.CaseShutdown {
		return o
	}
	switch o.Action {
	case processor.Done, processor.Dropped, processor.Requeued, processor.Released:
		return o
	}
	if o.Case == stack.CaseRepublishFailed {
		o.Action = processor.Failed
		return o
	}
	o.Action = processor.Dropped
	return o.CopyTo(r.errors.to.String())
}
