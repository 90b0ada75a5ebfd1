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
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/tracing"
)

func TestASpanSaysWhatTheConventionsAskFor(t *testing.T) {
	t.Parallel()
	span, err := publish(t.Context(), &processortest.Publisher{}, to, processor.Envelope{
		Body:       []byte("a secret"),
		Headers:    processor.Headers{"token": "a secret"},
		Properties: processor.Properties{ID: "m1", CorrelationID: "c1"},
	})
	require.NoError(t, err)
	require.Equal(t, "publish app", span.Name())
	require.Equal(t, oteltrace.SpanKindProducer, span.SpanKind())
	require.Equal(t, codes.Unset, span.Status().Code)
	require.Equal(t, map[attribute.Key]any{
		"messaging.system":                           "rabbitmq",
		"messaging.operation.name":                   "publish",
		"messaging.operation.type":                   "send",
		"messaging.destination.name":                 "app:user.7",
		"messaging.rabbitmq.destination.routing_key": "user.7",
		"messaging.message.id":                       "m1",
		"messaging.message.conversation_id":          "c1",
		"messaging.message.body.size":                int64(8),
	}, attributes(span))
}

func TestNamesOfDestinations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ exchange, key, name, destination string }{
		{"app", "user.7", "publish app", "app:user.7"},
		{"app", "", "publish app", "app"},
		{"", "mail", "publish mail", "mail"},
		{"", "amq.gen-Xa2", "publish", "amq.gen-Xa2"},
		{"amq.topic", "a", "publish amq.topic", "amq.topic:a"},
		{"", "", "publish", "amq.default"},
	} {
		span, err := publish(t.Context(), &processortest.Publisher{},
			processor.Destination{Exchange: tc.exchange, RoutingKey: tc.key}, processor.Envelope{})
		require.NoError(t, err)
		require.Equal(t, tc.name, span.Name())
		require.Equal(t, tc.destination, attributes(span)["messaging.destination.name"])
	}
}

// The start options of the previous message's spans are reused.
func TestMessagesToSeveralQueuesKeepTheirNamesApart(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := must.Have(tracing.New(&processortest.Publisher{}, tracing.TracerProvider(provider)))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			queue := fmt.Sprint("q", i%2)
			for range 10 {
				_ = p.Publish(t.Context(), processor.Destination{RoutingKey: queue},
					processor.Envelope{Properties: processor.Properties{ID: queue}})
			}
		})
	}
	wg.Wait()
	require.Len(t, spans.Ended(), 80)
	for _, s := range spans.Ended() {
		require.Equal(t, fmt.Sprint("publish ", attributes(s)["messaging.message.id"]), s.Name())
	}
}

func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A\n", 100_000)
	next := &processortest.Publisher{}
	next.FailWith(errors.New(long))
	span, err := publish(t.Context(), next, processor.Destination{Exchange: long, RoutingKey: long},
		processor.Envelope{Properties: processor.Properties{ID: long, CorrelationID: long}})
	require.Error(t, err)
	require.LessOrEqual(t, len(span.Name()), 300)
	require.LessOrEqual(t, len(span.Status().Description), 512)
	for _, a := range span.Attributes() {
		require.LessOrEqual(t, len(a.Value.String()), 2*256+1, a.Key)
		require.NotContains(t, a.Value.String(), "\n")
	}
}

func TestAFailureIsOnItsSpanAndComesBackAsItIs(t *testing.T) {
	t.Parallel()
	for want, cause := range map[string]error{
		"unroutable":    processor.ErrUnroutable,
		"refused":       processor.ErrRefused,
		"forbidden":     processor.ErrForbidden,
		"indeterminate": fmt.Errorf("%w: %w", context.Canceled, processor.ErrIndeterminate),
		"blocked":       processor.ErrBlocked,
		"too_large":     processor.ErrTooLarge,
		"header_type":   processor.ErrHeaderType,
		"closed":        processor.ErrClosed,
		"canceled":      context.Canceled,
		"timeout":       context.DeadlineExceeded,
		"_OTHER":        errors.New("no"),
	} {
		failure := fmt.Errorf("publish: %w", cause)
		next := &processortest.Publisher{}
		next.FailWith(failure)
		span, err := publish(t.Context(), next, to, processor.Envelope{})
		require.Equal(t, failure, err)
		require.Equal(t, codes.Error, span.Status().Code)
		require.Equal(t, failure.Error(), span.Status().Description)
		require.Equal(t, want, attributes(span)["error.type"])
	}
}

func TestAPanicGoesOnAndItsSpanEndsWithAnError(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := must.Have(tracing.New(processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
		panic("a secret")
	}), tracing.TracerProvider(provider)))
	require.PanicsWithValue(t, "a secret", func() { _ = p.Publish(t.Context(), to, processor.Envelope{}) })
	requirePanicked(t, spans)
}

func TestGoexitGoesOnAndItsSpanEndsWithAnError(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := must.Have(tracing.New(processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error {
		runtime.Goexit()
		return nil
	}), tracing.TracerProvider(provider)))
	exited := make(chan bool, 1)
	go func() {
		returned := false
		defer func() { exited <- !returned }()
		_ = p.Publish(t.Context(), to, processor.Envelope{})
		returned = true
	}()
	require.True(t, <-exited)
	requirePanicked(t, spans)
}

func requirePanicked(t *testing.T, spans *tracetest.SpanRecorder) {
	t.Helper()
	require.Len(t, spans.Ended(), 1)
	span := spans.Ended()[0]
	require.Equal(t, codes.Error, span.Status().Code)
	require.Equal(t, "panic", attributes(span)["error.type"])
	require.NotContains(t, fmt.Sprint(span.Status(), span.Events()), "secret")
}

func TestAnotherBrokerIsNamedByAnOption(t *testing.T) {
	t.Parallel()
	span, err := publish(t.Context(), &processortest.Publisher{}, to, processor.Envelope{}, tracing.System("kafka"))
	require.NoError(t, err)
	require.Equal(t, "kafka", attributes(span)["messaging.system"])
	require.NotContains(t, attributes(span), attribute.Key("messaging.rabbitmq.destination.routing_key"))
}

func TestWrongOptionsShowAtConstruction(t *testing.T) {
	t.Parallel()
	next := &processortest.Publisher{}
	for want, err := range map[string]error{
		"tracing: the publisher is nil": must.Fail(tracing.New(nil)),
		"tracing: option 1 is nil":      must.Fail(tracing.New(next, nil)),
		"tracing: the system is empty":  must.Fail(tracing.New(next, tracing.System(""))),
	} {
		require.ErrorContains(t, err, want)
	}
}

// The provider is often set up after the publisher.
func TestTheGlobalProviderCounts(t *testing.T) {
	next := &processortest.Publisher{}
	p := must.Have(tracing.New(next, tracing.TracerProvider(nil), tracing.Propagator(nil)))
	provider, spans := record(nil)
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	require.NoError(t, p.Publish(t.Context(), to, processor.Envelope{}))
	require.Len(t, spans.Ended(), 1)
	require.Equal(t, written(spans.Ended()[0].SpanContext()), next.Published()[0].Envelope.Headers["traceparent"])
}

// discard takes every message and keeps nothing.
var discard = processor.PublisherFunc(func(context.Context, processor.Destination, processor.Envelope) error { return nil })

// The documentation gives these numbers.
func TestAllocationsOfAMessageThatIsNotRecorded(t *testing.T) {
	never := sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()))
	for _, tc := range []struct {
		name     string
		want     float64
		provider oteltrace.TracerProvider
	}{
		{"never sampled", 7, never},
		{"no provider", 2, noop.NewTracerProvider()},
	} {
		p := must.Have(tracing.New(discard, tracing.TracerProvider(tc.provider)))
		headers := processor.Headers{}
		allocs := testing.AllocsPerRun(200, func() { _ = p.Publish(t.Context(), to, processor.Envelope{Headers: headers}) })
		require.Equal(t, tc.want, allocs, tc.name) //nolint:testifylint // whole numbers
	}
}

func Benchmark(b *testing.B) {
	never := sdk.NewTracerProvider(sdk.WithSampler(sdk.NeverSample()))
	b.Run("no tracing", func(b *testing.B) { run(b, discard) })
	b.Run("no provider", func(b *testing.B) {
		run(b, must.Have(tracing.New(discard, tracing.TracerProvider(noop.NewTracerProvider()))))
	})
	b.Run("never sampled", func(b *testing.B) { run(b, must.Have(tracing.New(discard, tracing.TracerProvider(never)))) })
	b.Run("always sampled", func(b *testing.B) {
		run(b, must.Have(tracing.New(discard, tracing.TracerProvider(sdk.NewTracerProvider()))))
	})
}

func run(b *testing.B, p processor.Publisher) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Publish(b.Context(), to, processor.Envelope{Headers: processor.Headers{}})
	}
}
