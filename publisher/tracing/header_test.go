package tracing_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/tracing"
)

func TestTheSpanIsInTheHeadersOfACopy(t *testing.T) {
	t.Parallel()
	for _, headers := range []processor.Headers{nil, {}, {"kept": int32(7), "traceparent": parent, "tracestate": "a=1"}} {
		before := headers.Clone()
		next := &processortest.Publisher{}
		span, err := publish(t.Context(), next, to, processor.Envelope{Headers: headers})
		require.NoError(t, err)
		got := next.Published()[0].Envelope.Headers
		require.Equal(t, written(span.SpanContext()), got["traceparent"])
		require.Equal(t, before["kept"], got["kept"])
		require.Equal(t, before, headers.Clone(), "the caller's")
	}
}

func TestTheSpanIsAChildOfThatOfTheContext(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	ctx, handler := provider.Tracer("test").Start(t.Context(), "handler")
	defer handler.End()
	next := &processortest.Publisher{}
	e := processor.Envelope{Headers: processor.Headers{"traceparent": parent, "tracestate": "stale=1"}}
	require.NoError(t, must.Have(tracing.New(next, tracing.TracerProvider(provider))).Publish(ctx, to, e))
	span := spans.Ended()[0]
	require.Equal(t, handler.SpanContext(), span.Parent())
	require.Equal(t, processor.Headers{"traceparent": written(span.SpanContext())}, next.Published()[0].Envelope.Headers)
}

func TestWithoutASpanInTheContextTheHeadersNameTheParent(t *testing.T) {
	t.Parallel()
	next := &processortest.Publisher{}
	e := processor.Envelope{Headers: processor.Headers{"traceparent": []byte(parent), "tracestate": "a=1"}}
	span, err := publish(t.Context(), next, to, e)
	require.NoError(t, err)
	require.Equal(t, parentID, span.Parent().SpanID().String())
	require.Equal(t, traceID, span.SpanContext().TraceID().String())
	require.Equal(t, "a=1", next.Published()[0].Envelope.Headers["tracestate"])
}

func TestHeadersThatAreNoContextStartATraceAndAreReplaced(t *testing.T) {
	t.Parallel()
	for _, header := range []any{nil, int64(7), processor.Headers{}, []any{parent}, "00-x", "cc" + parent[2:] + "-" + strings.Repeat("0", 1000)} {
		next := &processortest.Publisher{}
		span, err := publish(t.Context(), next, to, processor.Envelope{Headers: processor.Headers{"traceparent": header, "tracestate": 7}})
		require.NoError(t, err)
		require.False(t, span.Parent().IsValid())
		require.Equal(t, processor.Headers{"traceparent": written(span.SpanContext())}, next.Published()[0].Envelope.Headers)
	}
}

// All readers of the message must agree on the trace, and on not recording it.
func TestASpanThatIsNotSampledIsInTheHeadersToo(t *testing.T) {
	t.Parallel()
	provider, spans := record(sdk.NeverSample())
	next := &processortest.Publisher{}
	e := processor.Envelope{Headers: processor.Headers{"traceparent": parent}}
	require.NoError(t, must.Have(tracing.New(next, tracing.TracerProvider(provider))).Publish(t.Context(), to, e))
	require.Empty(t, spans.Ended())
	got, _ := next.Published()[0].Envelope.Headers.String("traceparent")
	require.Contains(t, got, traceID)
	require.NotContains(t, got, parentID)
	require.True(t, strings.HasSuffix(got, "-00"), got)
}

// A service without tracing passes the sender's context on.
func TestWithoutAProviderTheHeadersSayWhatTheySaid(t *testing.T) {
	t.Parallel()
	next := &processortest.Publisher{}
	e := processor.Envelope{Headers: processor.Headers{"traceparent": parent, "tracestate": "a=1"}}
	require.NoError(t, must.Have(tracing.New(next)).Publish(t.Context(), to, e))
	require.Equal(t, e.Headers, next.Published()[0].Envelope.Headers)
}

func TestATracestateThatIsTooLongIsNotWritten(t *testing.T) {
	t.Parallel()
	state, err := oteltrace.ParseTraceState("a=" + strings.Repeat("x", 250) + ",b=" + strings.Repeat("x", 250) + ",c=1234567")
	require.NoError(t, err)
	ctx := oteltrace.ContextWithSpanContext(t.Context(), oteltrace.NewSpanContext(oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID{1}, SpanID: oteltrace.SpanID{1}, TraceState: state,
	}))
	next := &processortest.Publisher{}
	_, err = publish(ctx, next, to, processor.Envelope{Headers: processor.Headers{"tracestate": "stale=1"}})
	require.NoError(t, err)
	require.NotContains(t, next.Published()[0].Envelope.Headers, "tracestate")
	require.Contains(t, next.Published()[0].Envelope.Headers, "traceparent")
}

func TestBaggageIsWrittenOnlyIfAskedFor(t *testing.T) {
	t.Parallel()
	bag, err := baggage.Parse("tenant=1")
	require.NoError(t, err)
	ctx := baggage.ContextWithBaggage(t.Context(), bag)
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	next := &processortest.Publisher{}
	_, err = publish(ctx, next, to, processor.Envelope{})
	require.NoError(t, err)
	_, err = publish(ctx, next, to, processor.Envelope{}, tracing.Propagator(both))
	require.NoError(t, err)
	require.NotContains(t, next.Published()[0].Envelope.Headers, "baggage")
	require.Equal(t, "tenant=1", next.Published()[1].Envelope.Headers["baggage"])
}

// A retry layer parks a copy that is too large without its headers; with tracing's headers it could
// never be parked.
func TestAMessageThatOurHeadersMakeTooLargeIsPublishedWithoutThem(t *testing.T) {
	t.Parallel()
	var tries []processor.Headers
	small := processor.PublisherFunc(func(_ context.Context, _ processor.Destination, e processor.Envelope) error {
		tries = append(tries, e.Headers)
		if len(e.Headers) > 1 {
			return fmt.Errorf("%d headers: %w", len(e.Headers), processor.ErrTooLarge)
		}
		return nil
	})
	e := processor.Envelope{Headers: processor.Headers{"large": "header"}}
	_, err := publish(t.Context(), small, to, e)
	require.NoError(t, err)
	require.Len(t, tries, 2)
	require.Equal(t, e.Headers, tries[1])

	e.Headers["larger"] = "header"
	_, err = publish(t.Context(), small, to, e)
	require.ErrorIs(t, err, processor.ErrTooLarge)
}

func TestHeadersDoNotGrowWithEachCopy(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	next := &processortest.Publisher{}
	p := must.Have(tracing.New(next, tracing.TracerProvider(provider)))
	e := processor.Envelope{Headers: processor.Headers{"traceparent": parent, "tracestate": "a=1"}}
	for i := range 100 {
		require.NoError(t, p.Publish(t.Context(), to, e))
		e = next.Published()[i].Envelope
	}
	require.Len(t, e.Headers, 2)
	require.Len(t, e.Headers["traceparent"], 55)
	require.Equal(t, "a=1", e.Headers["tracestate"])
	require.Equal(t, spans.Ended()[98].SpanContext().SpanID(), spans.Ended()[99].Parent().SpanID())
}

func FuzzHeaders(f *testing.F) {
	f.Add(parent, "a=1,b=2", "tenant=1", byte(0))
	f.Add("00-x", ",,,=", "=;,", byte(1))
	f.Add("cc"+parent[2:]+"-more", strings.Repeat("a=b,", 200), strings.Repeat("a=b,", 4000), byte(2))
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	f.Fuzz(func(t *testing.T, parent, state, bag string, kind byte) {
		e := processor.Envelope{Headers: processor.Headers{
			"traceparent": typed(parent, kind), "tracestate": typed(state, kind>>2), "baggage": typed(bag, kind>>4),
		}}
		before := e.Headers.Clone()
		next := &processortest.Publisher{}
		span, err := publish(t.Context(), next, to, e, tracing.Propagator(both))
		require.NoError(t, err)
		require.Equal(t, before, e.Headers)
		got := next.Published()[0].Envelope.Headers
		require.Equal(t, written(span.SpanContext()), got["traceparent"])
		for name, limit := range map[string]int{"tracestate": 512, "baggage": 8192} {
			if _, ok := got[name]; ok {
				text, isText := got[name].(string)
				require.True(t, isText)
				require.LessOrEqual(t, len(text), limit)
			}
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
