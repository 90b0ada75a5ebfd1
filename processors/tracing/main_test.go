package tracing_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/tracing"
)

func TestMain(m *testing.M) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // which prints what fuzzing sends
	goleak.VerifyTestMain(m)
}

// A sender's headers: W3C's own example.
const (
	parent    = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traceID   = "0af7651916cd43dd8448eb211c80319c"
	parentID  = "b7ad6b7169203331"
	unsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// record returns a provider that samples by s, or all if s is nil, and its recorder.
func record(s sdk.Sampler) (*sdk.TracerProvider, *tracetest.SpanRecorder) {
	if s == nil {
		s = sdk.AlwaysSample()
	}
	spans := tracetest.NewSpanRecorder()
	return sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithSampler(s)), spans
}

func build(tb testing.TB, handler processor.ProcessorFunc, opts ...tracing.Option) *stack.Pipeline {
	tb.Helper()
	p, err := stack.New(tracing.New(opts...)).Then(handler)
	require.NoError(tb, err)
	return p
}

// trace returns the span of one message whose handler returns result.
func trace(t *testing.T, ctx context.Context, msg processor.Message, result error, opts ...tracing.Option) sdk.ReadOnlySpan {
	t.Helper()
	provider, spans := record(nil)
	p := build(t, func(context.Context, processor.Message) error { return result },
		append(opts, tracing.TracerProvider(provider))...)
	require.Equal(t, result, p.Process(ctx, msg))
	require.Len(t, spans.Ended(), 1)
	return spans.Ended()[0]
}

func attributes(s sdk.ReadOnlySpan) map[attribute.Key]any {
	got := map[attribute.Key]any{}
	for _, a := range s.Attributes() {
		got[a.Key] = a.Value.AsInterface()
	}
	return got
}

func with(header string, value any) *processortest.Message {
	return processortest.NewMessage(processortest.Header(header, value))
}
