package redelivery

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Settings returns those of the options.
func (r *redelivery) Settings() []stack.Setting {
	settings := []stack.Setting{
		{Name: "retries", Value: strconv.Itoa(r.retries)},
		{Name: "waits", Value: r.schedule()},
		{Name: "parked", Value: processor.Destination{RoutingKey: r.parked}.String()},
		{Name: "keep trying", Value: r.keepTrying.String()},
	}
	if r.filter != nil {
		settings = append(settings, stack.Setting{Name: "if", Value: "by a function"})
	}
	return settings
}

// shownWaits is how many waits are listed one by one.
const shownWaits = 3

// schedule is such as "1s, 2s, 3s, ... up to 10s, by the queue; then parked".
func (r *redelivery) schedule() string {
	if r.retries == 0 {
		return "none: parked at once"
	}
	var waits []string
	for n := range min(r.retries, shownWaits) {
		waits = append(waits, r.after(n+1).String())
	}
	text := strings.Join(waits, ", ")
	if r.retries > shownWaits {
		text += fmt.Sprintf(", ... up to %v", r.after(r.retries))
	}
	return text + ", by the queue; then parked"
}

// Cases are those of republishing, and that of a filter.
func (r *redelivery) Cases() []stack.Case { return republish.Cases(r.filter) }

// Predict returns where a message goes that failed for the first time, or, in its case, for the
// last. Outside [republish.CaseFiltered], it assumes that the filter lets the error through.
func (r *redelivery) Predict(o stack.Outcome) stack.Outcome {
	if !o.Returns() || o.Action != processor.Failed && o.Action != processor.Rejected {
		return o
	}
	last := o.Action == processor.Rejected || r.retries == 0 ||
		o.Case == stack.CaseExhausted || o.Case == republish.CaseFiltered && r.filter != nil
	if !last || o.Case == stack.CaseShutdown || o.Case == stack.CaseRepublishFailed {
		o.Action = processor.Requeued
		return o
	}
	o = o.CopyTo(processor.Destination{RoutingKey: r.parked}.String())
	o.Action = processor.Done
	return o
}
