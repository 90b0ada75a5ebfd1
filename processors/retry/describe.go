package retry

import (
	"strconv"

	"github.com/gowarren/warren/processor"
)

// Settings are those of the options.
func (r *retry) Settings() []processor.Setting {
	keys := r.pattern
	if r.keyFunc != nil {
		keys = "by a function"
	}
	settings := []processor.Setting{
		{Name: "exchange", Value: r.exchange},
		{Name: "keys", Value: keys},
		{Name: "attempts", Value: strconv.Itoa(r.attempts)},
		{Name: "final key", Value: r.finalKey},
		{Name: "keep trying", Value: r.keepTrying.String()},
	}
	if r.filter != nil {
		settings = append(settings, processor.Setting{Name: "if", Value: "by a function"})
	}
	return settings
}

// Predict says where a message goes that failed for the first time, or, in its case, for
// the last. What a filter lets through only it can say.
func (r *retry) Predict(o processor.Outcome) processor.Outcome {
	if !o.Returns() || o.Action != processor.Failed && o.Action != processor.Rejected {
		return o
	}
	rejected := o.Action == processor.Rejected
	last := rejected || o.Case == processor.CaseExhausted || r.attempts == 0
	switch {
	case rejected && r.finalKey == "":
		return o
	case o.Case == processor.CaseShutdown:
		o.Action = processor.Requeued
		return o
	case last && r.finalKey == "":
		return o
	case o.Case == processor.CaseRepublishFailed:
		o.Action = processor.Requeued
		return o
	case last:
		o = o.Publish(r.place(r.finalKey))
	default:
		o = o.Publish(r.place(r.firstKey()))
	}
	o.Action = processor.Done
	return o
}

func (r *retry) place(key string) string {
	to := processor.Destination{Exchange: r.exchange, RoutingKey: key}.String()
	if r.filter != nil {
		return to + ", if the filter lets the error through"
	}
	return to
}

func (r *retry) firstKey() string {
	if r.keyFunc != nil {
		return "made by a function"
	}
	return r.parts.key(1)
}
