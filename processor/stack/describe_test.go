package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/catch"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func sendMail(context.Context, processor.Message) error { return nil }

func ExamplePipeline_Describe() {
	pipeline, err := stack.New(
		ack.New(),
		retry.New(&processortest.Publisher{}, "mail_retry_%attempt%", retry.Exchange("mail"), retry.ParkKey("mail_parked")),
		recovery.New(),
	).ThenFunc(sendMail)
	if err != nil {
		panic(err)
	}
	fmt.Print(pipeline.Describe())
	// Output:
	// 1  ack       requeue on error: false
	// 2  retry     exchange: mail, keys: mail_retry_%attempt%, retries: 3, park key: mail_parked, keep trying: 15s
	// 3  recovery  goexit: false
	// 4  stack_test.sendMail
	//
	// ok                  acked
	// error               a copy goes to exchange "mail" with key "mail_retry_1", then acked
	// permanent error     a copy goes to exchange "mail" with key "mail_parked", then acked
	// panic               a copy goes to exchange "mail" with key "mail_retry_1", then acked
	// timeout             no layer sets a deadline: it goes on until the run ends, and the broker may deliver it again meanwhile
	// republish failed    back to its queue
	// attempts exhausted  a copy goes to exchange "mail" with key "mail_parked", then acked
	// shutdown            given back untouched
}

func outcomes(t *testing.T, layers ...processor.Middleware) map[stack.Case]string {
	t.Helper()
	p, err := stack.New(layers...).ThenFunc(sendMail)
	require.NoError(t, err)
	all := map[stack.Case]string{}
	for _, o := range p.Describe().Outcomes {
		all[o.Case] = o.String()
	}
	return all
}

func TestAStackThatRetriesNothingHasNoRowsAboutRetries(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[stack.Case]string{
		stack.CaseSuccess:        "acked",
		stack.CaseError:          "back to its queue",
		stack.CasePermanentError: "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange",
		stack.CasePanic:          "the panic ends the process, and the broker delivers the message again",
		stack.CaseTimeout:        "no layer sets a deadline: it goes on until the run ends, and the broker may deliver it again meanwhile",
		stack.CaseShutdown:       "given back untouched",
	}, outcomes(t, catch.New(), ack.New(ack.RequeueOnError())))
}

func TestAStackWithoutAnAckLeavesItToTheHandler(t *testing.T) {
	t.Parallel()
	all := outcomes(t)
	require.Equal(t, "not settled by any layer: the handler has to", all[stack.CaseSuccess])
	require.Equal(t, "given back untouched", all[stack.CaseShutdown])
}

// The layer has a role that cannot just pass on outcomes, and predicts nothing.
func TestAPredictionIsNotMadeUp(t *testing.T) {
	t.Parallel()
	for _, role := range []stack.Role{settles, retries, recovers, catches, stack.Limits} {
		for row, says := range outcomes(t, pass, layer("mine", role), pass) {
			require.Equal(t, "unknown: mine does not say what it does to a message", says, row)
		}
	}
}

func TestALayerThatDoesNotSayWhatItDoesIsNamed(t *testing.T) {
	t.Parallel()
	p, err := stack.New(pass, ack.New(), layer("mine", stack.Judges)).ThenFunc(sendMail)
	require.NoError(t, err)
	d := p.Describe()
	require.Equal(t, []string{"*stack_test.passing", "mine"}, d.Assumed)
	require.Contains(t, d.String(), "\nTaken to pass on what they get: *stack_test.passing, mine.\n")
}

// A statement of several lines broke the table, and could fake a row.
func TestASettingStaysOnItsLine(t *testing.T) {
	t.Parallel()
	p, err := stack.New(retry.New(&processortest.Publisher{}, "r_%attempt%", retry.ParkKey("a\nok\tlost\x00"))).ThenFunc(sendMail)
	require.NoError(t, err)
	require.Contains(t, p.Describe().String(), "park key: a ok lost,")
}

func TestAFilterHasARowOfItsOwn(t *testing.T) {
	t.Parallel()
	never := func(error) bool { return false }
	filtered := outcomes(t, ack.New(), retry.New(&processortest.Publisher{}, "r_%attempt%", retry.If(never)))
	require.Equal(t, "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange", filtered["error not to be retried (If)"])
	filtered = outcomes(t, ack.New(), retry.New(&processortest.Publisher{}, "r_%attempt%", retry.ParkKey("parked"), retry.If(never)))
	require.Equal(t, `a copy goes to queue "parked" (default exchange), then acked`, filtered["error not to be retried (If)"])
	require.Equal(t, `a copy goes to queue "parked" (default exchange), then acked`, filtered[stack.CasePermanentError])
	require.NotContains(t, outcomes(t, retry.New(&processortest.Publisher{}, "r_%attempt%")), stack.Case("error not to be retried (If)"))
}

func TestTheLayersOfAPipelineInsideAreDescribed(t *testing.T) {
	t.Parallel()
	inner, err := stack.New(recovery.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	p, err := stack.New(ack.New()).Then(inner)
	require.NoError(t, err)
	var names []string
	for _, l := range p.Describe().Layers {
		names = append(names, l.Name)
	}
	require.Equal(t, []string{"ack", "recovery", "stack_test.sendMail"}, names)
	require.False(t, p.Describe().Outcomes[3].Panics)
}

func TestADescriptionIsJSON(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New()).ThenFunc(sendMail)
	require.NoError(t, err)
	b, err := json.Marshal(p.Describe())
	require.NoError(t, err)
	require.JSONEq(t, `{
		"layers": [
			{"name": "ack", "role": "settles", "settings": [{"name": "requeue on error", "value": "false"}]},
			{"name": "stack_test.sendMail"}
		],
		"outcomes": [
			{"case": "ok", "message": "acked", "decision": "done", "settled": "ack"},
			{"case": "error", "message": "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange", "decision": "failed", "settled": "nack"},
			{"case": "permanent error", "message": "nacked: dead-lettered, or dropped if its queue has no dead-letter exchange", "decision": "rejected", "settled": "nack"},
			{"case": "panic", "message": "the panic ends the process, and the broker delivers the message again", "panics": true},
			{"case": "timeout", "message": "no layer sets a deadline: it goes on until the run ends, and the broker may deliver it again meanwhile", "hangs": true},
			{"case": "shutdown", "message": "given back untouched", "decision": "failed"}
		]
	}`, string(b))
}

func TestDescribingProcessesNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	pub := &processortest.Publisher{}
	p, err := stack.New(tag(&out, "x"), retry.New(pub, "r_%attempt%")).Then(app(&out))
	require.NoError(t, err)
	require.NotEmpty(t, p.Describe().String())
	require.Empty(t, out.String())
	require.Empty(t, pub.Published())
}
