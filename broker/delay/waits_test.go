package delay_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
)

// died is an entry of x-death.
func died(queue, count any) processor.Headers {
	return processor.Headers{"queue": queue, "count": count, "reason": "expired", "exchange": "", "routing-keys": []any{"mail"}}
}

const (
	aStep  = "mail.delay.v1.quorum.1s"
	aLevel = "warren.delay.v1.quorum.100ms.7"
)

func TestWaits(t *testing.T) {
	t.Parallel()
	const most = int64(math.MaxInt64)
	for name, tc := range map[string]struct {
		deaths         any
		steps, ladders int64
	}{
		"none":                   {nil, 0, 0},
		"a string":               {"expired", 0, 0},
		"a table":                {died(aStep, 1), 0, 0},
		"empty":                  {[]any{}, 0, 0},
		"a step":                 {[]any{died(aStep, int64(1))}, 1, 0},
		"another step":           {[]any{died("mail.delay.v1.classic.2h.max3", int64(2))}, 2, 0},
		"of another queue":       {[]any{died("mails.delay.v1.quorum.1s", 1), died("mail", 1), died("mail.delay.v2.quorum.1s", 1)}, 0, 0},
		"steps add up":           {[]any{died(aStep, 1), died("mail", 7), died("mail.delay.v1.quorum.2s", 2)}, 3, 0},
		"a level":                {[]any{died(aLevel, int64(1))}, 0, 1},
		"hops of one trip":       {[]any{died("warren.delay.v1.quorum.100ms.0", 1), died(aLevel, 1), died("warren.delay.v1.quorum.100ms.23", 1)}, 0, 1},
		"the largest of levels":  {[]any{died("warren.delay.v1.quorum.100ms.0", 3), died(aLevel, 5), died("warren.delay.v1.quorum.100ms.1", 4)}, 0, 5},
		"a level not of ours":    {[]any{died("warren.delay.v1.quorum.100ms.24", 1)}, 0, 1},
		"of another ladder":      {[]any{died("warren.delay.v1.classic.100ms.7", 1), died("warren.delay.v1.quorum.1s.7", 1), died("warren.delay.v1.quorum.100ms.max1.7", 1)}, 0, 0},
		"the lost queue":         {[]any{died("warren.delay.v1.quorum.100ms.lost", 1), died("warren.delay.v1.quorum.100ms.", 1), died("warren.delay.v1.quorum.100ms.-7", 1)}, 0, 0},
		"a plain map":            {[]any{map[string]any{"queue": aStep, "count": 2}, map[string]any{"queue": aLevel, "count": 3}}, 2, 3},
		"a queue in bytes":       {[]any{died([]byte(aStep), 2), died([]byte(aLevel), 3)}, 2, 3},
		"counts of other types":  {[]any{died(aStep, "2"), died(aStep, int8(1)), died(aLevel, uint64(math.MaxUint64))}, 3, most},
		"no count":               {[]any{processor.Headers{"queue": aStep}, died(aLevel, nil)}, 0, 0},
		"no number":              {[]any{died(aStep, 2.5), died(aStep, []any{}), died(aLevel, "many")}, 0, 0},
		"negative":               {[]any{died(aStep, -5), died(aStep, 1), died(aLevel, int64(math.MinInt64))}, 1, 0},
		"more than there can be": {[]any{died(aStep, most), died(aStep, most), died(aLevel, most), died(aLevel, 1)}, most, most},
		"malformed among others": {[]any{"x", nil, 1, []any{died(aStep, 9)}, died(nil, 9), died(7, 9), died(aStep, 1), died(aLevel, 1)}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := processor.Headers{"x-death": tc.deaths}
			require.Equal(t, tc.steps, steps(t, []time.Duration{time.Second}).Waits(h))
			require.Equal(t, tc.ladders, ladder(t).Waits(h))
		})
	}
	require.Zero(t, steps(t, []time.Duration{time.Second}).Waits(nil))
	require.Zero(t, ladder(t).Waits(nil))
}

// FuzzWaits gives it whatever JSON can shape, and an entry of its own beside it.
func FuzzWaits(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `[]`, `"expired"`, `[{"queue":"` + aStep + `","count":300}]`, `[{"queue":"` + aLevel + `","count":"300"}]`,
		`[{"queue":["` + aStep + `"],"count":{}}]`, `[[[[]]],null,1,"x",{"queue":null,"time":1}]`,
	} {
		f.Add([]byte(seed), aStep, int64(1))
		f.Add([]byte(seed), aLevel, int64(-1))
	}
	all := []delay.Delayer{ladder(f), steps(f, []time.Duration{time.Second})}
	f.Fuzz(func(t *testing.T, data []byte, queue string, count int64) {
		var decoded any
		_ = json.Unmarshal(data, &decoded) // what does not decode stays nil
		list, _ := decoded.([]any)
		for _, d := range all {
			before := d.Waits(processor.Headers{"x-death": list})
			require.GreaterOrEqual(t, before, int64(0))
			require.Zero(t, d.Waits(processor.Headers{"x-death": data}))
			one := d.Waits(processor.Headers{"x-death": []any{died(queue, count)}})
			require.Contains(t, []int64{0, max(count, 0)}, one)
			both := d.Waits(processor.Headers{"x-death": append(list, died(queue, count), decoded)})
			require.GreaterOrEqual(t, both, max(before, one))
		}
	})
}
