package respond_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/respond"
	"github.com/gowarren/warren/processors/retry"
)

var (
	errShop = errors.New("the shop is closed")
	paid    = processor.Destination{Exchange: "events", RoutingKey: "order.paid"}
	mail    = processor.Destination{RoutingKey: "mail"}
	faults  = processor.Destination{RoutingKey: "faults"}
)

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New:       func(testing.TB) processor.Middleware { return respond.New(&processortest.Publisher{}) },
		Allocates: true,
	})
}

// to is a result.
func to(d processor.Destination, body string) respond.Result {
	return respond.Result{To: d, Envelope: processor.Envelope{Body: []byte(body)}}
}

// order is a message that follows two others.
func order() *processortest.Message {
	return processortest.NewMessage(
		processortest.Properties(processor.Properties{ID: "<o1@shop>"}),
		processortest.Header("references", "<a@shop>\n<b@shop>"))
}

// run processes msg with a handler that returns results or err.
func run(t *testing.T, p processor.Publisher, msg processor.Message, results []respond.Result, err error, opts ...respond.Option) error {
	t.Helper()
	pipeline, problem := stack.New(ack.New(), respond.New(p, opts...)).
		Then(respond.Handler(func(context.Context, processor.Message) ([]respond.Result, error) { return results, err }))
	require.NoError(t, problem)
	return pipeline.Process(t.Context(), msg)
}

func TestAllResultsAreSentAndThenTheMessageIsAcked(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	msg := order()
	watch := processor.PublisherFunc(func(ctx context.Context, d processor.Destination, e processor.Envelope) error {
		require.False(t, msg.Settled(), "results come first")
		return p.Publish(ctx, d, e)
	})
	require.NoError(t, run(t, watch, msg, []respond.Result{to(paid, "1"), to(mail, "2"), to(paid, "3")}, nil))
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	bodies := map[processor.Destination]string{}
	for _, sent := range p.Published() {
		bodies[sent.To] += string(sent.Envelope.Body)
	}
	require.Equal(t, map[processor.Destination]string{paid: "13", mail: "2"}, bodies)
}

func TestAResultSaysWhatItFollows(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	own := respond.Result{To: mail, Envelope: processor.Envelope{
		Headers:    processor.Headers{"references": "mine"},
		Properties: processor.Properties{ID: "id", CorrelationID: "c"},
	}}
	require.NoError(t, run(t, &p, order(), []respond.Result{to(mail, "1"), to(mail, "2"), own}, nil))
	sent := p.Published()
	require.Equal(t, "<o1@shop>", sent[0].Envelope.CorrelationID)
	require.Equal(t, "<a@shop>\n<b@shop>\n<o1@shop>", sent[0].Envelope.Headers["references"])
	require.Regexp(t, `^<[A-Z2-7]{26}@.+>$`, sent[0].Envelope.ID)
	require.NotEqual(t, sent[0].Envelope.ID, sent[1].Envelope.ID)
	require.False(t, sent[0].Envelope.Timestamp.IsZero())
	require.Equal(t, "id", sent[2].Envelope.ID)
	require.Equal(t, "c", sent[2].Envelope.CorrelationID)
	require.Equal(t, "mine", sent[2].Envelope.Headers["references"])
}

func TestAHandlerThatFailsSendsNothing(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errShop, processor.Reject(errShop), processor.Requeue(errShop), processor.Drop(errShop)} {
		var p processortest.Publisher
		require.ErrorIs(t, run(t, &p, order(), []respond.Result{to(mail, "1")}, err), errShop)
		require.Empty(t, p.Published())
	}
}

func TestResultsOfTheLastMessageOfARunAreSent(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	require.ErrorIs(t, run(t, &p, order(), []respond.Result{to(mail, "1")}, processor.ErrStop), processor.ErrStop)
	require.Len(t, p.Published(), 1)
}

func TestAResultThatIsNotSentFailsTheMessage(t *testing.T) {
	t.Parallel()
	for problem, want := range map[error]processor.Action{
		processor.ErrIndeterminate: processor.Failed,
		processor.ErrRefused:       processor.Failed,
		processor.ErrUnroutable:    processor.Rejected,
		processor.ErrTooLarge:      processor.Rejected,
		processor.ErrForbidden:     processor.Rejected,
	} {
		var p processortest.Publisher
		p.FailWith(problem)
		err := run(t, &p, order(), []respond.Result{to(mail, "1")}, nil, respond.KeepTrying(0))
		require.ErrorIs(t, err, problem)
		require.Equal(t, want, processor.Decide(err).Action, problem)
		require.ErrorIs(t, run(t, &p, order(), []respond.Result{to(mail, "1")}, processor.ErrStop, respond.KeepTrying(0)), problem)
	}
}

func TestWhatIsConfirmedIsNotSentAgainWithTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p processortest.Publisher
		busy := 5
		flaky := processor.PublisherFunc(func(ctx context.Context, d processor.Destination, e processor.Envelope) error {
			if d == mail && busy > 0 {
				busy--
				return processor.ErrRefused
			}
			return p.Publish(ctx, d, e)
		})
		require.NoError(t, run(t, flaky, order(), []respond.Result{to(paid, "1"), to(mail, "2")}, nil))
		require.Len(t, p.Published(), 2)
	})
}

func TestAResultWhoseSiblingIsUnroutableIsSentOnce(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	wrong := processor.PublisherFunc(func(ctx context.Context, d processor.Destination, e processor.Envelope) error {
		if d == mail {
			return processor.ErrUnroutable
		}
		return p.Publish(ctx, d, e)
	})
	pipeline, err := stack.New(ack.New(), retry.New(&p, "retry_%attempt%", retry.ParkKey("parked")), respond.New(wrong)).
		Then(respond.Handler(func(context.Context, processor.Message) ([]respond.Result, error) {
			return []respond.Result{to(paid, "1"), to(mail, "2")}, nil
		}))
	require.NoError(t, err)
	msg := order()
	require.NoError(t, pipeline.Process(t.Context(), msg))
	sent := p.Published()
	require.Len(t, sent, 2)
	require.Equal(t, paid, sent[0].To)
	require.Equal(t, "parked", sent[1].To.RoutingKey)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
}

func TestDerivedIDsAreTheSameAgain(t *testing.T) {
	t.Parallel()
	ids := func(handler string) (all []string) {
		var p processortest.Publisher
		require.NoError(t, run(t, &p, order(), []respond.Result{to(mail, "1"), to(mail, "2")}, nil, respond.DerivedIDs(handler)))
		for _, sent := range p.Published() {
			all = append(all, sent.Envelope.ID)
		}
		return all
	}
	first := ids("shop")
	require.Equal(t, first, ids("shop"))
	require.NotEqual(t, ids("shop")[0], ids("shop")[1])
	require.NotEqual(t, ids("shop")[0], ids("depot")[0])
	require.LessOrEqual(t, len(ids(strings.Repeat("x", 100))[0]), processor.MaxName)
}

func TestAConsumerDownstreamProcessesEachDerivedResultOnce(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	results := []respond.Result{to(mail, "1"), to(mail, "2")}
	for range 3 { // the process ends before the ack, twice
		require.NoError(t, run(t, &p, order(), results, nil, respond.DerivedIDs("shop")))
	}
	var got string
	downstream, err := stack.New(ack.New(), dedup.New(dedup.NewMemory(10, time.Hour))).
		ThenFunc(func(_ context.Context, msg processor.Message) error { got += string(msg.Body()); return nil })
	require.NoError(t, err)
	for _, sent := range p.Published() {
		require.NoError(t, downstream.Process(t.Context(), processortest.NewMessage(
			processortest.Body(string(sent.Envelope.Body)), processortest.Properties(sent.Envelope.Properties))))
	}
	require.Len(t, p.Published(), 6)
	require.Equal(t, "12", got)
}

func TestReferencesAreBounded(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	msg := processortest.NewMessage(
		processortest.Properties(processor.Properties{ID: "<last>"}),
		processortest.Header("references", "<first> "+strings.Repeat("<x@y> ", 10_000)))
	require.NoError(t, run(t, &p, msg, []respond.Result{to(mail, "1")}, nil))
	references, _ := p.Published()[0].Envelope.Headers.String("references")
	require.LessOrEqual(t, len(references), 4<<10)
	require.True(t, strings.HasPrefix(references, "<first>\n"))
	require.True(t, strings.HasSuffix(references, "\n<last>"))
}

func TestAnErrorIsAnsweredInPlaceOfResults(t *testing.T) {
	t.Parallel()
	errDatabase := errors.New("no database")
	answers := respond.Errors(faults, func(err error) bool { return errors.Is(err, errDatabase) }, nil)
	var p processortest.Publisher
	msg := order()
	require.ErrorIs(t, run(t, &p, msg, []respond.Result{to(mail, "1")}, errShop, answers), errShop)
	require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
	sent := p.Published()
	require.Len(t, sent, 1)
	require.Equal(t, faults, sent[0].To)
	require.Equal(t, errShop.Error(), string(sent[0].Envelope.Body))
	require.Equal(t, "<o1@shop>", sent[0].Envelope.CorrelationID)

	for _, err := range []error{errDatabase, processor.Requeue(errShop), processor.Release(errShop), processor.Drop(errShop)} {
		var p processortest.Publisher
		require.Equal(t, processor.Decide(err), processor.Decide(run(t, &p, order(), nil, err, answers)))
		require.Empty(t, p.Published())
	}
}

func TestAFunctionOfErrorsThatPanicsLeavesTheErrorToTheOuterLayers(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	err := run(t, &p, order(), nil, errShop, respond.Errors(faults, nil, func(processor.Message, error) processor.Envelope { panic("no") }))
	require.ErrorIs(t, err, errShop)
	require.Equal(t, processor.Failed, processor.Decide(err).Action)
	require.Empty(t, p.Published())
}

func TestTypedResults(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	pipeline, err := stack.New(ack.New(), respond.New(&p)).Then(respond.Typed(json.Unmarshal,
		func(_ context.Context, n int, _ processor.Message) ([]respond.Result, error) {
			return []respond.Result{to(mail, strings.Repeat("x", n))}, nil
		}))
	require.NoError(t, err)
	require.NoError(t, pipeline.Process(t.Context(), processortest.NewMessage(processortest.Body("3"))))
	require.Equal(t, "xxx", string(p.Published()[0].Envelope.Body))
	require.Equal(t, processor.Rejected, processor.Decide(pipeline.Process(t.Context(), processortest.NewMessage(processortest.Body("{")))).Action)
}

func TestAPublisherThatPanicsFailsTheMessage(t *testing.T) {
	t.Parallel()
	panics := processor.PublisherFunc(func(_ context.Context, d processor.Destination, _ processor.Envelope) error {
		if d == mail {
			panic("no")
		}
		return nil
	})
	err := run(t, panics, order(), []respond.Result{to(paid, "1"), to(mail, "2")}, nil, respond.KeepTrying(0))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
}

func TestALongHeaderOfReferencesCostsLittle(t *testing.T) {
	t.Parallel()
	var p processortest.Publisher
	msg := processortest.NewMessage(processortest.Properties(processor.Properties{ID: "<last>"}),
		processortest.Header("references", "first "+strings.Repeat("a ", 1<<20)))
	results := make([]respond.Result, 100)
	for i := range results {
		results[i] = to(mail, "1")
	}
	start := time.Now()
	require.NoError(t, run(t, &p, msg, results, nil))
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestWrongOptionsAndOrdersAreRefused(t *testing.T) {
	t.Parallel()
	p := new(processortest.Publisher)
	nothing := respond.Handler(func(context.Context, processor.Message) ([]respond.Result, error) { return nil, nil })
	for name, s := range map[string]stack.Stack{
		"no publisher":   stack.New(ack.New(), respond.New(nil)),
		"no layer":       stack.New(ack.New()),
		"outside retry":  stack.New(ack.New(), respond.New(p), retry.New(p, "retry_%attempt%")),
		"outside ack":    stack.New(respond.New(p), ack.New()),
		"no name":        stack.New(ack.New(), respond.New(p, respond.DerivedIDs(""))),
		"long name":      stack.New(ack.New(), respond.New(p, respond.DerivedIDs(strings.Repeat("x", 101)))),
		"no destination": stack.New(ack.New(), respond.New(p, respond.Errors(processor.Destination{}, nil, nil))),
		"no unit":        stack.New(ack.New(), respond.New(p, respond.KeepTrying(15))),
	} {
		_, err := s.Then(nothing)
		require.Error(t, err, name)
	}
	_, err := stack.New(ack.New(), respond.New(p)).Then(respond.Handler(nil))
	require.Error(t, err)
	_, err = stack.New(ack.New(), respond.New(p)).Then(respond.Typed[int](nil, nil))
	require.Error(t, err)
}
