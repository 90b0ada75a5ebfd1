package backoff

import (
	"fmt"
	"strconv"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Settings returns those of the options.
func (b *backoff) Settings() []stack.Setting {
	final := "none"
	if b.final != nil {
		final = b.final.String()
	}
	settings := []stack.Setting{
		{Name: "queue", Value: b.queue},
		{Name: "schedule", Value: b.top.schedule.String()},
		{Name: "retries", Value: often(*b.top.limit)},
		{Name: "jitter", Value: b.top.jitter.String()},
		{Name: "park", Value: final},
		{Name: "delays", Value: b.delayer.String()},
		{Name: "keep trying", Value: b.keepTrying.String()},
	}
	if b.top.selects() {
		settings = append(settings, stack.Setting{Name: "for", Value: b.top.whom()})
	}
	for i := range b.policies {
		settings = append(settings, stack.Setting{Name: fmt.Sprintf("policy %d", i+1), Value: b.policies[i].String()})
	}
	return settings
}

// caseUnwanted is an error that no policy covers.
const caseUnwanted stack.Case = "error not to be retried (For, If)"

// Cases are those of republishing, and that of an error that no policy covers.
func (b *backoff) Cases() []stack.Case {
	cases := []stack.Case{stack.CaseRepublishFailed}
	if *b.top.limit != processor.NoLimit {
		cases = append(cases, stack.CaseExhausted)
	}
	if b.top.selects() {
		cases = append(cases, caseUnwanted)
	}
	return cases
}

// Predict returns where a message goes that failed for the first time, or, in its case, for the
// last, by the top level. Outside caseUnwanted it takes an error to be one that is retried.
func (b *backoff) Predict(o stack.Outcome) stack.Outcome {
	p := republish.Prediction{
		Unwanted: o.Case == caseUnwanted && b.top.selects(),
		Last:     o.Case == stack.CaseExhausted && *b.top.limit != processor.NoLimit || *b.top.limit == 0,
		First:    b.first(),
	}
	if b.final != nil {
		p.Park = b.final.String()
	}
	return p.Of(o)
}

// first is where the first retry goes, and when.
func (b *backoff) first() string {
	to := processor.Destination{RoutingKey: b.queue}
	switch delays := b.top.schedule.all; {
	case delays == nil:
		return fmt.Sprintf("%v after a delay made by a function", to)
	case *b.top.jitter > 0:
		return fmt.Sprintf("%v after about %v", to, delays[0])
	default:
		return fmt.Sprintf("%v after %v", to, delays[0])
	}
}

// often is how often a message is retried.
func often(retries int) string {
	if retries == processor.NoLimit {
		return "no limit"
	}
	return strconv.Itoa(retries)
}
