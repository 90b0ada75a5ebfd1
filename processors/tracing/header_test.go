package tracing_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/tracing"
)

func TestTheSpanIsAChildOfTheSendersAsTextOrBytes(t *testing.T) {
	t.Parallel()
	for _, header := range []any{parent, []byte(parent)} {
		span := trace(t, t.Context(), with("traceparent", header), nil)
		require.Equal(t, traceID, span.SpanContext().TraceID().String())
		require.Equal(t, parentID, span.Parent().SpanID().String())
		require.True(t, span.Parent().IsRemote())
		require.Empty(t, span.Links())
	}
}

func TestTracestateTravels(t *testing.T) {
	t.Parallel()
	msg := processortest.NewMessage(processortest.Header("traceparent", parent), processortest.Header("tracestate", []byte("a=1,b=2")))
	require.Equal(t, "a=1,b=2", trace(t, t.Context(), msg, nil).SpanContext().TraceState().String())
}

func TestHeadersThatAreNoContextStartATrace(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]any{
		"nil":          nil,
		"number":       int64(7),
		"table":        processor.Headers{"traceparent": parent},
		"list":         []any{parent},
		"bool":         true,
		"empty":        "",
		"short":        parent[:54],
		"long":         parent + "-00",
		"zero":         "00-" + strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-01",
		"upper case":   strings.ToUpper(parent),
		"of no use":    strings.Repeat("x", 55),
		"not UTF-8":    []byte{0xff, 0xfe},
		"oversized":    "cc" + parent[2:] + "-" + strings.Repeat("0", 1<<20), // of a future version, where more may follow
		"large bytes":  []byte("cc" + parent[2:] + "-" + strings.Repeat("0", 1<<20)),
		"with a break": parent[:20] + "\n" + parent[21:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			span := trace(t, t.Context(), with("traceparent", header), nil)
			require.False(t, span.Parent().IsValid())
			require.True(t, span.SpanContext().IsValid())
		})
	}
}

func TestAVersionToComeIsRead(t *testing.T) {
	t.Parallel()
	span := trace(t, t.Context(), with("traceparent", "cc"+parent[2:]+"-more"), nil)
	require.Equal(t, traceID, span.SpanContext().TraceID().String())
}

func TestATracestateThatIsTooLongIsLeftOut(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{250: 2, 300: 0} {
		state := "a=" + strings.Repeat("x", 250) + ",b=" + strings.Repeat("y", size)
		if size > 250 {
			state += ",c=1"
		}
		msg := processortest.NewMessage(processortest.Header("traceparent", parent), processortest.Header("tracestate", state))
		span := trace(t, t.Context(), msg, nil)
		require.Equal(t, traceID, span.SpanContext().TraceID().String())
		require.Equal(t, want, span.SpanContext().TraceState().Len())
	}
}

func TestBaggageIsReadOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	for _, tc := range []struct {
		opts  []tracing.Option
		value string
		want  string
	}{
		{nil, "1", ""},
		{[]tracing.Option{tracing.Propagator(both)}, "1", "1"},
		{[]tracing.Option{tracing.Propagator(both)}, strings.Repeat("1", 4000), strings.Repeat("1", 4000)},
		{[]tracing.Option{tracing.Propagator(both)}, strings.Repeat("1", 8192), ""},
	} {
		var got string
		p := build(t, func(ctx context.Context, _ processor.Message) error {
			got = baggage.FromContext(ctx).Member("tenant").Value()
			return nil
		}, tc.opts...)
		require.NoError(t, p.Process(t.Context(), with("baggage", "tenant="+tc.value)))
		require.Equal(t, tc.want, got)
	}
}

func TestASpanThatTheRunIsPartOfIsLinkedOrElseTheParent(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := build(t, func(context.Context, processor.Message) error { return nil }, tracing.TracerProvider(provider))
	ctx, ambient := provider.Tracer("test").Start(t.Context(), "run")
	defer ambient.End()
	require.NoError(t, p.Process(ctx, with("traceparent", parent)))
	require.NoError(t, p.Process(ctx, processortest.NewMessage()))
	require.NoError(t, p.Process(t.Context(), with("traceparent", parent)))
	ended := spans.Ended()
	require.Equal(t, parentID, ended[0].Parent().SpanID().String())
	require.Len(t, ended[0].Links(), 1)
	require.Equal(t, ambient.SpanContext(), ended[0].Links()[0].SpanContext)
	require.Equal(t, ambient.SpanContext(), ended[1].Parent())
	require.Empty(t, ended[1].Links())
	require.Empty(t, ended[2].Links(), "a link of one message on the next")
}

// A service without tracing, or that does not sample, does not break the trace.
func TestTheContextOfTheSenderGoesOnToTheHandlerIfNothingIsRecorded(t *testing.T) {
	t.Parallel()
	never, _ := record(sdk.NeverSample())
	followed, spans := record(sdk.ParentBased(sdk.AlwaysSample()))
	for name, opts := range map[string][]tracing.Option{
		"no provider":                       nil,
		"never sampled":                     {tracing.TracerProvider(never)},
		"not sampled, as the sender wishes": {tracing.TracerProvider(followed)},
	} {
		var got oteltrace.SpanContext
		p := build(t, func(ctx context.Context, _ processor.Message) error {
			got = oteltrace.SpanContextFromContext(ctx)
			return nil
		}, opts...)
		require.NoError(t, p.Process(t.Context(), with("traceparent", unsampled)))
		require.Equal(t, traceID, got.TraceID().String(), name)
		require.False(t, got.IsSampled(), name)
	}
	require.Empty(t, spans.Ended())
}

func FuzzHeaders(f *testing.F) {
	f.Add(parent, "a=1,b=2", "tenant=1", byte(0))
	f.Add("00-x", ",,,=", "=;,", byte(1))
	f.Add(unsampled, strings.Repeat("a=b,", 200), strings.Repeat("a=b,", 4000), byte(2))
	f.Add("cc"+parent[2:]+"-more", "a@b=c", "%zz=%00", byte(3))
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	f.Fuzz(func(t *testing.T, parent, state, bag string, kind byte) {
		msg := processortest.NewMessage(
			processortest.Header("traceparent", typed(parent, kind)),
			processortest.Header("tracestate", typed(state, kind>>2)),
			processortest.Header("baggage", typed(bag, kind>>4)),
			processortest.Header(parent, typed(bag, kind>>6)))
		before := msg.Headers().Clone()
		span := trace(t, t.Context(), msg, nil, tracing.Propagator(both))
		require.True(t, span.SpanContext().IsValid())
		require.LessOrEqual(t, len(span.SpanContext().TraceState().String()), 512)
		require.Equal(t, before, msg.Headers())
		if id := span.Parent(); id.IsValid() {
			text, _ := msg.Headers().String("traceparent")
			require.Contains(t, text, id.TraceID().String())
		}
	})
}

// typed returns s in one of the types that a header may have.
func typed(s string, kind byte) any {
	switch kind % 4 {
	case 0:
		return s
	case 1:
		return []byte(s)
	case 2:
		return []any{s}
	}
	return processor.Headers{"traceparent": s}
}
