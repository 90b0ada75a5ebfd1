package mux_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/processors/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// says appends a word to where.
func says(where *[]string, word string) processor.Processor {
	return processor.ProcessorFunc(func(context.Context, processor.Message) error {
		*where = append(*where, word)
		return nil
	})
}

func typed(kind string) *processortest.Message {
	return processortest.NewMessage(processortest.Properties(processor.Properties{ID: "1", Type: kind}))
}

func TestAMessageGoesToItsHandler(t *testing.T) {
	t.Parallel()
	var got []string
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("sent", says(&got, "s")), mux.On("bounced", says(&got, "b"))))
	require.NoError(t, err)
	for _, kind := range []string{"bounced", "sent", "bounced"} {
		require.NoError(t, p.Process(t.Context(), typed(kind)))
	}
	require.Equal(t, []string{"b", "s", "b"}, got)
}

func TestAMessageWithoutAHandlerIsRejectedByName(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("sent", says(new([]string), ""))))
	require.NoError(t, err)
	msg := typed("lost")
	err = p.Process(t.Context(), msg)
	require.ErrorIs(t, err, mux.ErrUnknown)
	require.ErrorContains(t, err, `"lost"`)
	require.ErrorContains(t, err, `"sent"`)
	require.Equal(t, []processortest.Settlement{processortest.Rejected}, msg.Settlements())
	require.Equal(t, remote.TypeUnknownMethod, remote.ErrorOf(err).Type)
	require.Less(t, len(p.Process(t.Context(), typed(strings.Repeat("x", 1<<16))).Error()), 1<<10)
}

func TestTheFallbackTakesTheRest(t *testing.T) {
	t.Parallel()
	var got []string
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("sent", says(&got, "s")), mux.Fallback(says(&got, "f"))))
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), typed("lost")))
	require.Equal(t, []string{"f"}, got)
}

func TestAMessageThatComesBackFromARetryHasItsFirstKey(t *testing.T) {
	t.Parallel()
	var pub processortest.Publisher
	var got []string
	fails := processor.ProcessorFunc(func(context.Context, processor.Message) error { return errors.New("busy") })
	again := retry.New(&pub, "retry_%attempt%")
	p, err := stack.New(ack.New(), again).Then(mux.New(mux.ByKey, mux.On("mail.sent", fails)))
	require.NoError(t, err)
	first := processortest.NewMessage(processortest.Origin(processor.Origin{Queue: "mail", Exchange: "amq.topic", RoutingKey: "mail.sent"}))
	require.NoError(t, p.Process(t.Context(), first))

	copied := pub.Published()[0].Envelope
	second := processortest.NewMessage(processortest.Origin(processor.Origin{Queue: "mail", RoutingKey: "mail"}),
		processortest.Header(retry.HeaderAttempts, copied.Headers[retry.HeaderAttempts]),
		processortest.Header("warren-original-exchange", copied.Headers["warren-original-exchange"]),
		processortest.Header("warren-original-routing-key", copied.Headers["warren-original-routing-key"]))
	p, err = stack.New(ack.New(), again).Then(mux.New(mux.ByKey, mux.On("mail.sent", says(&got, "s"))))
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), second))
	require.Equal(t, []string{"s"}, got)
}

func TestAChoiceThatPanicsIsAFailureOfItsMessage(t *testing.T) {
	t.Parallel()
	p, err := stack.New(ack.New()).Then(mux.New(func(processor.Message) string { panic("no") }, mux.On("sent", says(new([]string), ""))))
	require.NoError(t, err)
	msg := typed("sent")
	require.Error(t, p.Process(t.Context(), msg))
	require.Equal(t, []processortest.Settlement{processortest.Rejected}, msg.Settlements())
}

func TestTheLayersOfEachHandlerAreChecked(t *testing.T) {
	t.Parallel()
	inner, err := stack.New(ack.New()).Then(says(new([]string), ""))
	require.NoError(t, err)
	method := remote.Handler(remote.JSON, func(context.Context, int, processor.Message) (int, error) { return 0, nil })
	answer := reply.New(&processortest.Publisher{}, remote.JSON)

	_, err = stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("a", says(new([]string), "")), mux.On("b", inner)))
	require.ErrorIs(t, err, stack.ErrOrder, "acked twice")
	_, err = stack.New(ack.New(), recovery.New()).Then(mux.New(mux.ByType, mux.On("a", method)))
	require.ErrorIs(t, err, stack.ErrOrder, "no layer answers")
	_, err = stack.New(ack.New(), answer, recovery.New()).Then(mux.New(mux.ByType, mux.On("a", method), mux.On("b", method)))
	require.NoError(t, err)
	_, err = stack.New(ack.New(), answer).Then(mux.New(mux.ByType, mux.On("a", mux.New(mux.ByKey))))
	require.Error(t, err, "an inner one without a handler")
}

func TestWrongHandlersAreRefused(t *testing.T) {
	t.Parallel()
	some := says(new([]string), "")
	for name, m := range map[string]processor.Processor{
		"no choice":  mux.New(nil, mux.On("a", some)),
		"no handler": mux.New(mux.ByKey),
		"nil":        mux.New(mux.ByKey, mux.On("a", nil)),
		"double":     mux.New(mux.ByKey, mux.On("a", some), mux.On("a", some)),
		"nil option": mux.New(mux.ByKey, nil),
		"not built":  mux.New(mux.ByKey, mux.On("a", (*stack.Pipeline)(nil))),
		"fallback":   mux.New(mux.ByKey, mux.Fallback(new(stack.Pipeline))),
		"typed":      mux.New(mux.ByKey, mux.On("a", processor.Typed[int](nil, nil))),
	} {
		_, err := stack.New(ack.New()).Then(m)
		require.Error(t, err, name)
	}
}

// lived records what is called.
type lived struct {
	name  string
	calls *[]string
	fail  error
}

func (l *lived) Process(context.Context, processor.Message) error { return nil }
func (l *lived) Start(context.Context) error {
	*l.calls = append(*l.calls, "start "+l.name)
	return l.fail
}
func (l *lived) Idle(context.Context) error { *l.calls = append(*l.calls, "idle "+l.name); return nil }
func (l *lived) Stop(context.Context) error { *l.calls = append(*l.calls, "stop "+l.name); return nil }

func TestHandlersLiveWithTheRunAndEachOnce(t *testing.T) {
	t.Parallel()
	var calls []string
	a, b := &lived{"a", &calls, nil}, &lived{"b", &calls, nil}
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByKey, mux.On("1", a), mux.On("2", a), mux.Fallback(b)))
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, p.Idle(t.Context()))
	require.NoError(t, p.Stop(t.Context()))
	require.Equal(t, []string{"start a", "start b", "idle a", "idle b", "stop b", "stop a"}, calls)

	calls, b.fail = nil, errors.New("no")
	require.ErrorIs(t, p.Start(t.Context()), b.fail)
	require.Equal(t, []string{"start a", "start b", "stop a"}, calls)
}

// decorator shows what it wraps, and has no lifecycle of its own.
type decorator struct{ processor.Processor }

func (d decorator) Unwrap() processor.Processor { return d.Processor }

func TestADecoratedHandlerLivesWithTheRun(t *testing.T) {
	t.Parallel()
	var calls []string
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByKey, mux.On("1", decorator{&lived{"a", &calls, nil}})))
	require.NoError(t, err)
	require.NoError(t, p.Start(t.Context()))
	require.NoError(t, p.Idle(t.Context()))
	require.NoError(t, p.Stop(t.Context()))
	require.Equal(t, []string{"start a", "idle a", "stop a"}, calls)
}

func TestChoosingAllocatesNothing(t *testing.T) {
	p, err := stack.New(ack.New()).Then(mux.New(mux.ByType, mux.On("a", processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil }))))
	require.NoError(t, err)
	msg := typed("a")
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = p.Process(context.Background(), msg) }))
}
