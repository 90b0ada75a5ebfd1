package verify

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotAsPlanned: a broker is not as a topology plans it.
var ErrNotAsPlanned = errors.New("the broker is not as planned")

// Report is what [Topology] found. One that is empty says that all is as planned.
type Report struct {
	// Findings are what is not as planned: first what is missing or different, then what
	// follows from how things are connected, then what was left behind.
	Findings []Finding
	// Unchecked says what could not be looked at, and why.
	Unchecked []string
}

// Err joins the findings that are a [Fault]. Each wraps [ErrNotAsPlanned]. It is nil if there
// are none; what is [Notice] or was not checked is no error.
func (r *Report) Err() error {
	var errs []error
	for _, f := range r.Findings {
		if f.Severity == Fault {
			errs = append(errs, fmt.Errorf("verify: %w: %s", ErrNotAsPlanned, f))
		}
	}
	return errors.Join(errs...)
}

// String returns a line for each finding, and for each thing that was not checked.
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
	// Notice is for somebody to look at. Consuming can begin.
	Notice Severity = "notice"
)

// Kind says what a finding is about.
type Kind string

// The kinds of finding. They are faults unless it says otherwise.
const (
	// MissingExchange: an exchange is not there.
	MissingExchange Kind = "missing exchange"
	// MissingQueue: a queue is not there.
	MissingQueue Kind = "missing queue"
	// MissingBinding: a binding is not there. What it should bind is.
	MissingBinding Kind = "missing binding"
	// ExtraBinding: a planned exchange leads to a planned queue by a binding that is not
	// planned. Nothing removes a binding but whoever made it.
	ExtraBinding Kind = "extra binding"
	// DifferentExchange: an exchange was declared with other arguments.
	DifferentExchange Kind = "different exchange"
	// DifferentQueue: a queue was declared with other arguments.
	DifferentQueue Kind = "different queue"
	// Unavailable: a queue is there, and the broker cannot reach it: its node is down.
	Unavailable Kind = "unavailable"
	// Unsupported: the server would silently ignore an argument of a queue: it delivers what
	// fails again at once. Declare refuses it.
	Unsupported Kind = "unsupported"
	// MissingDeadLetter: the exchange or queue that a queue's dead letters go to is not
	// there, and not planned. They are dropped, or hold up the queue.
	MissingDeadLetter Kind = "missing dead-letter target"
	// UnroutedDeadLetter: dead letters go to an exchange that has no queue for them. An
	// alternate exchange that a policy gives it is not seen.
	UnroutedDeadLetter Kind = "unrouted dead letters"
	// MissingAlternate: an exchange's alternate is not there, and not planned.
	MissingAlternate Kind = "missing alternate exchange"
	// RejectingTarget: a delay hands on to a queue that refuses when it is full. A classic
	// delay then drops its messages, and an at-least-once one holds up all behind them. It
	// is a Notice where one at-least-once delay hands on to another.
	RejectingTarget Kind = "target that rejects"
	// DeliveryLimit: a quorum queue drops what was delivered too often, because it has no
	// dead-letter exchange, or gives it up sooner than [InPlace] says.
	DeliveryLimit Kind = "delivery limit"
	// DeadLetterLoop: the dead letters of a queue lead back to it, and what dies there by
	// itself, and not because it was rejected, is lost: see [broker.Loop].
	DeadLetterLoop Kind = "loop of dead letters"
	// PolicyApplies is a Notice: a policy changes what a planned queue does.
	PolicyApplies Kind = "policy"
	// LostMessages is a Notice: messages lie where an alternate exchange has brought what
	// nothing could route.
	LostMessages Kind = "lost messages"
	// Leftover is a Notice: a queue has a name that is this topology's alone
	// ([broker.Topology].Owned), and is not in it.
	Leftover Kind = "leftover"
)

// Finding is one thing that is not as planned.
type Finding struct {
	Kind     Kind
	Severity Severity
	// Exchange and Queue name what it is about; both do if it is a binding.
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
