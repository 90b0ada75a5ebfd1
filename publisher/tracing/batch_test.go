package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/publisher/tracing"
)

// batches is a publisher of batches that takes all messages without a set answer.
type batches struct {
	processortest.Publisher

	answer func(batch []processor.Envelope) []error
	got    [][]processor.Envelope
}

func (b *batches) PublishBatch(_ context.Context, _ processor.Destination, batch []processor.Envelope) []error {
	b.got = append(b.got, batch)
	if b.answer == nil {
		return nil
	}
	return b.answer(batch)
}

// publishBatch returns the spans of a batch of three, and its errors. The second has a parent in
// its headers.
func publishBatch(ctx context.Context, next processor.Publisher) ([]sdk.ReadOnlySpan, []error) {
	provider, spans := record(nil)
	batch := []processor.Envelope{
		{Properties: processor.Properties{ID: "1"}},
		{Properties: processor.Properties{ID: "2"}, Headers: processor.Headers{"traceparent": parent}},
		{Properties: processor.Properties{ID: "3"}, Headers: processor.Headers{"traceparent": parent}},
	}
	errs := processor.PublishBatch(ctx, must.Have(tracing.New(next, tracing.TracerProvider(provider))), to, batch)
	return spans.Ended(), errs
}

func TestABatchHasOneSpan(t *testing.T) {
	t.Parallel()
	var next batches
	spans, errs := publishBatch(t.Context(), &next)
	require.Empty(t, errs)
	require.Len(t, spans, 1)
	require.Equal(t, "publish app", spans[0].Name())
	require.Equal(t, oteltrace.SpanKindProducer, spans[0].SpanKind())
	require.Equal(t, codes.Unset, spans[0].Status().Code)
	require.Equal(t, map[attribute.Key]any{
		"messaging.system":                           "rabbitmq",
		"messaging.operation.name":                   "publish",
		"messaging.operation.type":                   "send",
		"messaging.destination.name":                 "app:user.7",
		"messaging.rabbitmq.destination.routing_key": "user.7",
		"messaging.batch.message_count":              int64(3),
	}, attributes(spans[0]))
	require.Len(t, next.got, 1)
	for _, e := range next.got[0] {
		require.Equal(t, written(spans[0].SpanContext()), e.Headers["traceparent"])
	}
	require.Len(t, spans[0].Links(), 1, "to what two of the messages name")
	require.Equal(t, traceID, spans[0].Links()[0].SpanContext.TraceID().String())
	require.Equal(t, parentID, spans[0].Links()[0].SpanContext.SpanID().String())
}

func TestTheSpanOfABatchIsAChildOfTheContexts(t *testing.T) {
	t.Parallel()
	provider, _ := record(nil)
	ctx, outer := provider.Tracer("").Start(t.Context(), "outer")
	defer outer.End()
	spans, errs := publishBatch(ctx, &batches{})
	require.Empty(t, errs)
	require.Equal(t, outer.SpanContext().SpanID(), spans[0].Parent().SpanID())
	require.Empty(t, spans[0].Links())
}

// Batches that go message by message still have one span.
func TestABatchOfSingleMessagesHasOneSpan(t *testing.T) {
	t.Parallel()
	var next processortest.Publisher
	spans, errs := publishBatch(t.Context(), &next)
	require.Empty(t, errs)
	require.Len(t, spans, 1)
	require.Len(t, next.Published(), 3)
	for _, m := range next.Published() {
		require.Equal(t, written(spans[0].SpanContext()), m.Envelope.Headers["traceparent"])
	}
}

func TestABatchThatIsTooLargeWithOurHeadersGoesWithoutThem(t *testing.T) {
	t.Parallel()
	refuse := func(which int) func([]processor.Envelope) []error {
		return func(batch []processor.Envelope) []error {
			if _, ours := batch[0].Headers["traceparent"]; !ours || batch[0].Headers["traceparent"] == parent {
				return nil
			}
			errs := []error{nil, nil, nil}
			for i := range errs {
				switch {
				case i == which:
					errs[i] = processor.ErrTooLarge
				case which == 1 || i > which: // found before anything was sent, or on the way
					errs[i] = processor.ErrSkipped
				}
			}
			return errs
		}
	}
	for which, again := range map[int]int{1: 3, 2: 1} {
		next := batches{answer: refuse(which)}
		spans, errs := publishBatch(t.Context(), &next)
		require.Empty(t, errs)
		require.Len(t, spans, 1)
		require.Equal(t, codes.Unset, spans[0].Status().Code)
		require.Len(t, next.got, 2)
		require.Len(t, next.got[1], again, "what was not sent")
	}
}

func TestWhatABatchFailsOfIsInItsSpan(t *testing.T) {
	t.Parallel()
	for _, want := range [][]error{
		{nil, processor.ErrRefused, nil},
		{processor.ErrSkipped, processor.ErrTooLarge, processor.ErrSkipped},
		{processor.ErrTooLarge, processor.ErrRefused, processor.ErrSkipped},
		{processor.ErrTooLarge, nil, processor.ErrSkipped},
	} {
		spans, errs := publishBatch(t.Context(), &batches{answer: func([]processor.Envelope) []error { return want }})
		require.Equal(t, want, errs)
		require.Len(t, spans, 1)
		require.Equal(t, codes.Error, spans[0].Status().Code)
	}
}

func TestAPanicOfABatchGoesOnAndIsInItsSpan(t *testing.T) {
	t.Parallel()
	provider, spans := record(nil)
	p := must.Have(tracing.New(&batches{answer: func([]processor.Envelope) []error { panic("boom") }}, tracing.TracerProvider(provider)))
	require.PanicsWithValue(t, "boom", func() { processor.PublishBatch(t.Context(), p, to, make([]processor.Envelope, 2)) })
	require.Len(t, spans.Ended(), 1)
	require.Equal(t, codes.Error, spans.Ended()[0].Status().Code)
}
