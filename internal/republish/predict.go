package republish

import (
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Prediction is what a layer that publishes copies does with a message that failed.
type Prediction struct {
	First    string // where its first copy goes
	Park     string // where its last copy goes; "" is nowhere, and it fails
	Unwanted bool   // it is not retried
	Last     bool   // its retries are used up
}

// Of returns the outcome after the layer, from o.
func (p Prediction) Of(o stack.Outcome) stack.Outcome {
	if !o.Returns() || o.Action != processor.Failed && o.Action != processor.Rejected {
		return o
	}
	rejected := o.Action == processor.Rejected || p.Unwanted
	last := rejected || p.Last
	switch {
	case rejected && p.Park == "":
		return o
	case o.Case == stack.CaseShutdown:
		o.Action = processor.Requeued
		return o
	case last && p.Park == "":
		return o
	case o.Case == stack.CaseRepublishFailed:
		o.Action = processor.Requeued
		return o
	case last:
		o = o.CopyTo(p.Park)
	default:
		o = o.CopyTo(p.First)
		o.Again = true
	}
	o.Action = processor.Done
	return o
}

// CaseFiltered is an error for which the function given to an option If is false.
const CaseFiltered stack.Case = "error not to be retried (If)"

// Cases are those of republishing, and that of a filter if there is one.
func Cases(filter func(error) bool) []stack.Case {
	cases := []stack.Case{stack.CaseRepublishFailed, stack.CaseExhausted}
	if filter != nil {
		cases = append(cases, CaseFiltered)
	}
	return cases
}
