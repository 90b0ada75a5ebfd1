package stack

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/gowarren/warren/processor"
)

// Case is one thing that may happen to a message: a row of the table of outcomes.
type Case string

// The cases that every stack has. Layers may add others; see [Caser].
const (
	CaseSuccess        Case = "ok"
	CaseError          Case = "error"
	CasePermanentError Case = "permanent error" // made by [processor.Reject]
	CasePanic          Case = "panic"
	CaseTimeout        Case = "timeout"  // the handler waits for the end of its context
	CaseShutdown       Case = "shutdown" // cut short by the drain deadline
)

// The cases of layers that retry. In each the handler has failed with an error.
const (
	CaseRepublishFailed Case = "republish failed" // for as long as it was tried
	CaseExhausted       Case = "attempts exhausted"
)

// Settlement is how a message was settled.
type Settlement string

// The settlements.
const (
	Unsettled        Settlement = ""
	SettledByAck     Settlement = "ack"
	SettledByNack    Settlement = "nack"    // dead-lettered
	SettledByRequeue Settlement = "requeue" // back to its queue
)

// Outcome is what has become of a message, as a layer returns it to the one outside.
type Outcome struct {
	// Case is the row. No layer changes it.
	Case Case
	// Panics: a panic is on its way up. The action has no meaning then.
	Panics bool
	// Hangs: the inner layers wait for the end of their context, which has not come.
	// The action has no meaning then.
	Hangs bool
	// Action is what [processor.Decide] reads from the error.
	Action processor.Action
	// Published are the places that a copy was published to, in words.
	Published []string
	// Again: a copy is processed later; see [Fate].
	Again bool
	// ComesBack: if it is nacked, its queue brings it back; see [Fate].
	ComesBack bool
	// Settled is how the message was settled.
	Settled Settlement
	// Unknown names the layer that does not predict what it does, "" if all do. Only the case
	// is set then.
	Unknown string
}

// MarshalJSON encodes the outcome with its String, and leaves out fields without a meaning.
func (o Outcome) MarshalJSON() ([]byte, error) {
	j := struct {
		Case      Case       `json:"case"`
		Message   string     `json:"message"`
		Panics    bool       `json:"panics,omitempty"`
		Hangs     bool       `json:"hangs,omitempty"`
		Decision  string     `json:"decision,omitempty"`
		Published []string   `json:"published,omitempty"`
		Settled   Settlement `json:"settled,omitempty"`
		Unknown   string     `json:"unknown,omitempty"`
	}{
		Case: o.Case, Message: o.String(), Panics: o.Panics, Hangs: o.Hangs,
		Published: o.Published, Settled: o.Settled, Unknown: o.Unknown,
	}
	if o.Returns() && o.Unknown == "" {
		j.Decision = o.Action.String()
	}
	return json.Marshal(j)
}

// Predictor is implemented by layers that say what becomes of a message. The others are
// taken to pass on outcomes unchanged, and a description says so.
type Predictor interface {
	// Predict returns the outcome after the layer, from that of the inner layers. It must have
	// no effects.
	Predict(inner Outcome) Outcome
}

// Caser is implemented by layers that add cases of their own to the table of outcomes.
// In each the handler has failed with an error, unless the layer predicts otherwise.
type Caser interface {
	Cases() []Case
}

// Returns reports whether the inner layers return, so that a layer can act on it.
func (o Outcome) Returns() bool { return !o.Panics && !o.Hangs }

// CopyTo returns the outcome with a copy published there.
func (o Outcome) CopyTo(to string) Outcome {
	o.Published = append(slices.Clone(o.Published), to)
	return o
}

// String says what happens to the message.
func (o Outcome) String() string {
	var parts []string
	for _, to := range o.Published {
		parts = append(parts, "a copy goes to "+to)
	}
	return strings.Join(append(parts, o.end()), ", then ")
}

func (o Outcome) end() string {
	switch {
	case o.Unknown != "":
		return "unknown: " + o.Unknown + " does not say what it does to a message"
	case o.Panics:
		return "the panic ends the process, and the broker delivers the message again"
	case o.Hangs:
		return "no layer sets a deadline: it goes on until the run ends, and the broker may deliver it again meanwhile"
	}
	switch o.Settled {
	case SettledByAck:
		return "acked"
	case SettledByNack:
		return "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange"
	case SettledByRequeue:
		return "back to its queue"
	}
	if o.Case == CaseShutdown || o.Action == processor.Released {
		return "given back untouched"
	}
	return "not settled by any layer: the handler has to"
}

// predict returns the outcome of c for layers, the handler last.
func predict(c Case, layers []processor.Processor) Outcome {
	o := Outcome{Case: c, Action: processor.Failed}
	switch c {
	case CaseSuccess:
		o.Action = processor.Done
	case CasePermanentError:
		o.Action = processor.Rejected
	case CasePanic:
		o.Panics = true
	case CaseTimeout:
		o.Hangs = true
	}
	for _, layer := range slices.Backward(layers[:len(layers)-1]) {
		switch p, ok := layer.(Predictor); {
		case ok:
			o = p.Predict(o)
		case mustPredict(roleOf(layer)):
			return Outcome{Case: c, Unknown: layerName(layer)}
		}
	}
	return o
}

// mustPredict reports whether a layer of that role cannot just pass on outcomes.
func mustPredict(r Role) bool {
	return slices.Contains([]Role{Settles, Retries, Recovers, Catches, Limits}, r)
}
