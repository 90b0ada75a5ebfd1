package verify

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotAsPlanned means that a broker differs from the planned topology.
var ErrNotAsPlanned = errors.New("the broker is not as planned")

// Report is what [Topology] found. An empty one means that all is as planned.
type Report struct {
	// Findings are the differences: first what is missing or different, then what follows from how
	// things are connected, then leftovers.
	Findings []Finding
	// Unchecked says what could not be checked, and why.
	Unchecked []string
}

// Err joins the findings that are a [Fault]. Each wraps [ErrNotAsPlanned]. It is nil if there are
// none; a [Notice] and what was not checked are no errors.
func (r *Report) Err() error {
	var errs []error
	for _, f := range r.Findings {
		if f.Severity == Fault {
			errs = append(errs, fmt.Errorf("verify: %w: %s", ErrNotAsPlanned, f))
		}
	}
	return errors.Join(errs...)
}

// String returns a line for each finding and each unchecked thing.
func (r *Report) String() string {
	var s strings.Builder
	for _, f := range r.Findings {
		_, _ = fmt.Fprintf(&s, "%s: %s\n", f.Severity, f)
	}
	for _, what := range r.Unchecked {
		_, _ = fmt.Fprintf(&s, "not checked: %s\n", what)
	}
	if s.Len() == 0 {
		return "all is as planned\n"
	}
	return s.String()
}

// Severity is how much a finding matters.
type Severity string

// The severities.
const (
	// Fault loses, doubles, delays or misroutes messages, or makes Declare fail.
	Fault Severity = "fault"
	// Notice is for an operator to look at. Consuming can begin.
	Notice Severity = "notice"
)

// Kind says what a finding is about.
type Kind string

// The kinds of finding. They are faults unless stated otherwise.
const (
	// MissingExchange: an exchange does not exist.
	MissingExchange Kind = "missing exchange"
	// MissingQueue: a queue does not exist.
	MissingQueue Kind = "missing queue"
	// MissingBinding: a binding does not exist, although its exchange and queue do.
	MissingBinding Kind = "missing binding"
	// ExtraBinding: an unplanned binding leads from a planned exchange to a planned queue. A
	// binding stays until a client removes it.
	ExtraBinding Kind = "extra binding"
	// DifferentExchange: an exchange was declared with other arguments.
	DifferentExchange Kind = "different exchange"
	// DifferentQueue: a queue was declared with other arguments.
	DifferentQueue Kind = "different queue"
	// Unavailable: a queue exists, but the broker cannot reach it: its node is down.
	Unavailable Kind = "unavailable"
	// Unsupported: the server would silently ignore an argument of a queue, and redeliver failed
	// messages at once. Declare refuses it.
	Unsupported Kind = "unsupported"
	// MissingDeadLetter: the target exchange or queue of a queue's dead letters does not exist and
	// is not planned. They are dropped, or hold up the queue.
	MissingDeadLetter Kind = "missing dead-letter target"
	// UnroutedDeadLetter: dead letters go to an exchange that has no queue for them. An alternate
	// exchange that a policy sets is not seen.
	UnroutedDeadLetter Kind = "unrouted dead letters"
	// MissingAlternate: an exchange's alternate does not exist and is not planned.
	MissingAlternate Kind = "missing alternate exchange"
	// RejectingTarget: a delay passes messages to a queue that refuses them when full. A classic
	// delay then drops them, and an at-least-once one holds up all behind them. It is a Notice
	// where one at-least-once delay passes them to another.
	RejectingTarget Kind = "target that rejects"
	// DeliveryLimit: a quorum queue drops messages over its delivery limit, having no dead-letter
	// exchange, or gives them up sooner than [InPlace] says.
	DeliveryLimit Kind = "delivery limit"
	// DeadLetterLoop: the dead letters of a queue lead back to it, and those that were not
	// rejected, such as expired ones, are lost: see [broker.Loop].
	DeadLetterLoop Kind = "loop of dead letters"
	// PolicyApplies is a Notice: a policy changes what a planned queue does.
	PolicyApplies Kind = "policy"
	// LostMessages is a Notice: an unroutable message is in a queue that an alternate exchange
	// leads to.
	LostMessages Kind = "lost messages"
	// Leftover is a Notice: a queue has a name that only this topology uses
	// ([broker.Topology].Owned), and is not in it.
	Leftover Kind = "leftover"
)

// Finding is one difference from the plan.
type Finding struct {
	Kind     Kind
	Severity Severity
	// Exchange and Queue name what the finding concerns; a binding has both.
	Exchange, Queue string
	// Problem says what is wrong, with the planned value and the live one.
	Problem string
	// Change says what to do.
	Change string
}

// String returns the finding in one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s; %s", f.thing(), f.Problem, f.Change)
}

func (f Finding) thing() string {
	switch {
	case f.Queue == "":
		return fmt.Sprintf("exchange %q", f.Exchange)
	case f.Exchange == "":
		return fmt.Sprintf("queue %q", f.Queue)
	}
	return fmt.Sprintf("binding of queue %q to exchange %q", f.Queue, f.Exchange)
}
