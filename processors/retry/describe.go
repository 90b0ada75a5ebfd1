package retry

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Settings returns those of the options.
func (r *retry) Settings() []stack.Setting {
	keys := string(r.pattern)
	if r.keyFunc != nil {
		keys = "by a function"
	}
	settings := []stack.Setting{
		{Name: "exchange", Value: r.exchange},
		{Name: "keys", Value: keys},
		{Name: "retries", Value: strconv.Itoa(r.retries)},
		{Name: "park key", Value: r.parkKey},
		{Name: "keep trying", Value: r.keepTrying.String()},
	}
	if r.delays != nil {
		settings = append(settings, stack.Setting{Name: "delays", Value: strings.Join(texts(r.delays), ", ")})
	}
	if r.counter != HeaderAttempts {
		settings = append(settings, stack.Setting{Name: "counts in", Value: r.counter})
	}
	if r.filter != nil {
		settings = append(settings, stack.Setting{Name: "if", Value: "by a function"})
	}
	return settings
}

// texts are the values of %delay%.
func texts(delays []time.Duration) []string {
	all := make([]string, len(delays))
	for i, d := range delays {
		all[i] = short(d)
	}
	return all
}

// Cases are those of republishing, and that of a filter.
func (r *retry) Cases() []stack.Case { return republish.Cases(r.filter) }

// Predict returns where a message goes that failed for the first time, or, in its case, for the
// last. Outside [republish.CaseFiltered], it assumes that the filter lets the error through.
func (r *retry) Predict(o stack.Outcome) stack.Outcome {
	p := republish.Prediction{
		Unwanted: o.Case == republish.CaseFiltered && r.filter != nil,
		Last:     o.Case == stack.CaseExhausted || r.retries == 0,
		First:    r.first(),
	}
	if r.parkKey != "" {
		p.Park = r.place(r.parkKey)
	}
	return p.Of(o)
}

func (r *retry) place(key string) string {
	return processor.Destination{Exchange: r.exchange, RoutingKey: key}.String()
}

// first is where the first retry goes.
func (r *retry) first() string {
	if r.keyFunc == nil {
		return r.place(r.patternKey(1))
	}
	return fmt.Sprintf("exchange %q with a key made by a function", r.exchange)
}
