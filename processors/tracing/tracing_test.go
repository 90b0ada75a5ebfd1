package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/tracing"
)

func TestConformance(t *testing.T) {
	for name, sampler := range map[string]sdk.Sampler{"sampled": sdk.AlwaysSample(), "not sampled": sdk.NeverSample()} {
		t.Run(name, func(t *testing.T) {
			processortest.TestMiddleware(t, processortest.Contract{
				New: func(testing.TB) processor.Middleware {
					provider, _ := record(sampler)
					return tracing.New(tracing.TracerProvider(provider))
				},
				Allocates: true, // the span, and the context that holds it
			})
		})
	}
}

func TestASpanSaysWhatTheConventionsAskFor(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(
		processortest.Body("a secret"),
		processortest.Properties(processor.Properties{ID: "m1", CorrelationID: "c1"}),
		processortest.Origin(processor.Origin{Queue: "mail", Exchange: "app", RoutingKey: "user.7", Redelivered: true}),
		processortest.Header(retry.HeaderAttempts, int32(2)),
		processortest.Header("token", "a secret"),
	)
	span := trace(t, t.Context(), msg, nil)
	require.Equal(t, "process mail", span.Name())
	require.Equal(t, oteltrace.SpanKindConsumer, span.SpanKind())
	require.Equal(t, codes.Unset, span.Status().Code)
	require.Empty(t, span.Events())
	require.Contains(t, span.InstrumentationScope().SchemaURL, "opentelemetry.io/schemas/")
	require.Equal(t, map[attribute.Key]any{
		"messaging.system":                           "rabbitmq",
		"messaging.operation.name":                   "process",
		"messaging.operation.type":                   "process",
		"messaging.destination.name":                 "app:user.7:mail",
		"messaging.rabbitmq.destination.routing_key": "user.7",
		"messaging.message.id":                       "m1",
		"messaging.message.conversation_id":          "c1",
		"messaging.message.body.size":                int64(8),
		"warren.attempt":                             int64(3),
		"warren.redelivered":                         true,
		"warren.decision":                            "done",
	}, attributes(span))
}

func TestNamesLeaveOutWhatIsEmptyTwiceOrMadeUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		origin            processor.Origin
		name, destination string
	}{
		{processor.Origin{Queue: "mail", RoutingKey: "mail"}, "process mail", "mail"},
		{processor.Origin{Queue: "mail", Exchange: "app", RoutingKey: "mail"}, "process mail", "app:mail"},
		{processor.Origin{Queue: "mail", Exchange: "app"}, "process mail", "app:mail"},
		{processor.Origin{Queue: "amq.gen-Xa2", RoutingKey: "k"}, "process", "k:amq.gen-Xa2"},
		{processor.Origin{}, "process", ""},
	} {
		span := trace(t, t.Context(), processortest.NewMessage(processortest.Origin(tc.origin)), nil)
		got := attributes(span)
		require.Equal(t, tc.name, span.Name())
		name, _ := got["messaging.destination.name"].(string)
		require.Equal(t, tc.destination, name)
		require.Equal(t, strings.HasPrefix(tc.origin.Queue, "amq.gen-"), got["messaging.destination.anonymous"] == true)
	}
}

// The start options of the previous message's spans are reused.
func TestMessagesOfSeveralQueuesKeepTheirNamesApart(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := build(t, func(context.Context, processor.Message) error { return nil }, tracing.TracerProvider(provider))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			queue := fmt.Sprint("q", i%2)
			msg := processortest.NewMessage(processortest.Origin(processor.Origin{Queue: queue}),
				processortest.Properties(processor.Properties{ID: queue}))
			for range 10 {
				_ = p.Process(t.Context(), msg)
			}
		})
	}
	wg.Wait()
	require.Len(t, spans.Ended(), 80)
	for _, s := range spans.Ended() {
		require.Equal(t, fmt.Sprint("process ", attributes(s)["messaging.message.id"]), s.Name())
		require.Equal(t, attributes(s)["messaging.message.id"], attributes(s)["messaging.destination.name"])
	}
}

func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A\n", 100_000)
	msg := processortest.NewMessage(
		processortest.Properties(processor.Properties{ID: long, CorrelationID: long}),
		processortest.Origin(processor.Origin{Queue: long, Exchange: long, RoutingKey: long + "k"}))
	span := trace(t, t.Context(), msg, errors.New(long))
	require.LessOrEqual(t, len(span.Name()), 300)
	require.LessOrEqual(t, len(span.Status().Description), 512)
	texts := span.Attributes()
	for _, e := range span.Events() {
		texts = append(texts, e.Attributes...)
	}
	for _, a := range texts {
		require.LessOrEqual(t, len(a.Value.String()), 3*256+2, a.Key)
		require.NotContains(t, a.Value.String(), "\n")
	}
}

func TestTheAttemptIsOneMoreThanTheRetriesWhateverASenderWrites(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		header any
		want   int64
	}{
		{nil, 1},
		{int64(0), 1},
		{"2", 3},
		{int64(-7), 1},
		{uint64(1) << 63, 1<<63 - 1},
		{3.5, 1},
		{[]any{int64(3)}, 1},
	} {
		span := trace(t, t.Context(), with(retry.HeaderAttempts, tc.header), nil)
		require.Equal(t, tc.want, attributes(span)[tracing.AttemptKey], "%v", tc.header)
	}
}

func TestASamplerSeesNameKindAndDestination(t *testing.T) {
	t.Parallel()
	var got sdk.SamplingParameters
	provider, _ := record(spy{&got})
	p := build(t, func(context.Context, processor.Message) error { return nil }, tracing.TracerProvider(provider))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, "process test-queue", got.Name)
	require.Equal(t, oteltrace.SpanKindConsumer, got.Kind)
	seen := attribute.NewSet(got.Attributes...)
	for key, want := range map[attribute.Key]string{
		"messaging.system": "rabbitmq", "messaging.operation.name": "process", "messaging.operation.type": "process",
		"messaging.destination.name": "test-exchange:test-key:test-queue",
	} {
		v, _ := seen.Value(key)
		require.Equal(t, want, v.AsString())
	}
}

// spy is a sampler that records its parameters.
type spy struct{ got *sdk.SamplingParameters }

func (s spy) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	*s.got = p
	return sdk.NeverSample().ShouldSample(p)
}
func (spy) Description() string { return "spy" }

func TestAPanicGoesOnAndItsSpanEndsWithAnError(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := build(t, func(context.Context, processor.Message) error { panic("a secret") }, tracing.TracerProvider(provider))
	require.PanicsWithValue(t, "a secret", func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
	requirePanicked(t, spans.Ended())
}

func TestGoexitGoesOnAndItsSpanEndsWithAnError(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := build(t, func(context.Context, processor.Message) error { runtime.Goexit(); return nil }, tracing.TracerProvider(provider))
	exited := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { exited <- !returned }()
		_ = p.Process(t.Context(), processortest.NewMessage())
		returned = true
	}()
	require.True(t, <-exited)
	requirePanicked(t, spans.Ended())
}

func requirePanicked(t *testing.T, ended []sdk.ReadOnlySpan) {
	t.Helper()
	require.Len(t, ended, 1)
	require.Equal(t, codes.Error, ended[0].Status().Code)
	require.Equal(t, "panic", attributes(ended[0])["error.type"])
	require.NotContains(t, attributes(ended[0]), tracing.DecisionKey)
	require.NotContains(t, fmt.Sprint(ended[0].Status(), ended[0].Events()), "secret")
}

func TestAnotherBrokerIsNamedByAnOption(t *testing.T) {
	t.Parallel()
	got := attributes(trace(t, t.Context(), processortest.NewMessage(), nil, tracing.System("kafka")))
	require.Equal(t, "kafka", got["messaging.system"])
	require.NotContains(t, got, attribute.Key("messaging.rabbitmq.destination.routing_key"))
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, processor.Message) error { return nil }
	_, err := stack.New(tracing.New(nil)).ThenFunc(handler)
	require.ErrorContains(t, err, "tracing: option 1 is nil")
	_, err = stack.New(tracing.New(tracing.System(""))).ThenFunc(handler)
	require.ErrorContains(t, err, "tracing: the system is empty")
}

// The provider is often set up after the stack.
func TestTheGlobalProviderCounts(t *testing.T) {
	p := build(t, func(context.Context, processor.Message) error { return nil }, tracing.TracerProvider(nil), tracing.Propagator(nil))
	provider, spans := record(nil)
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	require.NoError(t, p.Process(t.Context(), with("traceparent", parent)))
	require.Len(t, spans.Ended(), 1)
	require.Equal(t, parentID, spans.Ended()[0].Parent().SpanID().String())
}

func TestThePipelineDescribesTheSettings(t *testing.T) {
	t.Parallel()
	provider, _ := record(nil)
	handler := func(context.Context, processor.Message) error { return nil }
	d := build(t, handler).Describe()
	require.Equal(t, stack.LayerDescription{Name: "tracing", Settings: []stack.Setting{
		{Name: "tracer provider", Value: "global"},
		{Name: "propagator", Value: "traceparent,tracestate"},
		{Name: "system", Value: "rabbitmq"},
	}}, d.Layers[0])
	d = build(t, handler, tracing.TracerProvider(provider)).Describe()
	require.Equal(t, "given", d.Layers[0].Settings[0].Value)
}
