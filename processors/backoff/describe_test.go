package backoff_test

import (
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
)

func TestALayerSaysHowItRetries(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	p, err := stack.New(backoff.New(&processortest.Publisher{}, "mail", backoff.Jitter(0), backoff.Park(parked),
		backoff.Schedule(backoff.List(30*time.Second, 3*time.Minute)), backoff.Retries(5), backoff.For(errMail),
		backoff.Policy(backoff.For(errBusy, typedNil), backoff.If(nothing), backoff.Schedule(backoff.Exponential(time.Second, time.Hour)), backoff.Retries(processor.NoLimit)),
	)).ThenFunc(succeed)
	require.NoError(t, err)
	layer := p.Describe().Layers[0]
	require.Equal(t, "backoff", layer.Name)
	require.Equal(t, stack.Retries, layer.Role)
	settings := map[string]string{}
	for _, s := range layer.Settings {
		settings[s.Name] = s.Value
	}
	require.Contains(t, settings["delays"], "steps 1s 2s 4s 8s")
	delete(settings, "delays")
	require.Equal(t, map[string]string{
		"queue": "mail", "schedule": "30s, then 3m0s each time", "retries": "5", "jitter": "0s",
		"park": `queue "mail_parked" (default exchange)`, "keep trying": "15s",
		"for":      "mail server says no",
		"policy 1": "for mail server is busy or *fs.PathError, whose Error method panics or by a function: 1s, doubling up to 1h0m0s, retries: no limit, jitter 0s",
	}, settings)
}

func TestTheWordsOfSchedules(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]backoff.Intervals{
		"1s each time":              backoff.Fixed(time.Second),
		"1m0s each time":            backoff.List(time.Minute),
		"1s, 2s, then 3s each time": backoff.List(1*time.Second, 2*time.Second, 3*time.Second),
		"by a function":             backoff.Func(minutes),
		"1s, 2s, 3s, 5s, 8s, 13s, 21s, 34s, then 55s each time": backoff.DefaultIntervals(),
	} {
		require.Equal(t, want, s.String())
	}
}

// The table of outcomes, as a stack with this layer describes itself.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	const (
		nacked   = "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange"
		delayed  = `a copy goes to queue "mail" (default exchange) after about 1s, then acked`
		final    = `a copy goes to queue "mail_parked" (default exchange), then acked`
		unwanted = stack.Case("error not to be retried (For, If)")
	)
	for name, tc := range map[string]struct {
		opts []backoff.Option
		want map[stack.Case]string
	}{
		"default": {nil, map[stack.Case]string{
			stack.CaseError: delayed, stack.CasePermanentError: nacked, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue", stack.CaseExhausted: nacked,
		}},
		"park": {[]backoff.Option{backoff.Park(parked)}, map[stack.Case]string{
			stack.CaseError: delayed, stack.CasePermanentError: final, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue", stack.CaseExhausted: final,
		}},
		"for ever": {[]backoff.Option{backoff.Retries(processor.NoLimit)}, map[stack.Case]string{
			stack.CaseError: delayed, stack.CasePermanentError: nacked, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue",
		}},
		"exact": {[]backoff.Option{backoff.Jitter(0), backoff.Retries(processor.NoLimit)}, map[stack.Case]string{
			stack.CaseError: strings.Replace(delayed, "about ", "", 1), stack.CasePermanentError: nacked, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue",
		}},
		"computed": {[]backoff.Option{backoff.Schedule(backoff.Func(minutes)), backoff.Retries(processor.NoLimit)}, map[stack.Case]string{
			stack.CaseError: strings.Replace(delayed, "about 1s", "a delay made by a function", 1), stack.CasePermanentError: nacked, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue",
		}},
		"for some": {[]backoff.Option{backoff.For(errBusy), backoff.Park(parked)}, map[stack.Case]string{
			stack.CaseError: delayed, stack.CasePermanentError: final, stack.CaseShutdown: "given back untouched",
			stack.CaseRepublishFailed: "back to its queue", stack.CaseExhausted: final, unwanted: final,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := stack.New(ack.New(), backoff.New(&processortest.Publisher{}, "mail", tc.opts...)).ThenFunc(succeed)
			require.NoError(t, err)
			got := map[stack.Case]string{}
			for _, o := range p.Describe().Outcomes {
				got[o.Case] = o.String()
			}
			delete(got, stack.CaseSuccess)
			delete(got, stack.CasePanic)
			delete(got, stack.CaseTimeout)
			require.Equal(t, tc.want, got)
		})
	}
}
