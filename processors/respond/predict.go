package respond

import (
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Predict says what becomes of a message whose handler returns results.
func (r *respond) Predict(o stack.Outcome) stack.Outcome {
	switch {
	case !o.Returns(), o.Case == stack.CaseShutdown:
		return o
	case o.Action == processor.Done:
		return o.CopyTo("its results: where they belong")
	}
	return o
}
