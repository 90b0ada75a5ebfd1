package tracing_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/tracing"
)

func TestMain(m *testing.M) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {})) // which prints what fuzzing sends
	goleak.VerifyTestMain(m)
}

// The headers before: W3C's own example.
const (
	parent   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	traceID  = "0af7651916cd43dd8448eb211c80319c"
	parentID = "b7ad6b7169203331"
)

var to = processor.Destination{Exchange: "app", RoutingKey: "user.7"}

// record returns a provider that samples as s says, all if s is nil, and what it recorded.
func record(s sdk.Sampler) (*sdk.TracerProvider, *tracetest.SpanRecorder) {
	if s == nil {
		s = sdk.AlwaysSample()
	}
	spans := tracetest.NewSpanRecorder()
	return sdk.NewTracerProvider(sdk.WithSpanProcessor(spans), sdk.WithSampler(s)), spans
}

// publish returns the span of one message, and the error of publishing it.
func publish(ctx context.Context, next processor.Publisher, to processor.Destination, e processor.Envelope, opts ...tracing.Option) (sdk.ReadOnlySpan, error) {
	provider, spans := record(nil)
	err := must.Have(tracing.New(next, append(opts, tracing.TracerProvider(provider))...)).Publish(ctx, to, e)
	return spans.Ended()[0], err
}

func attributes(s sdk.ReadOnlySpan) map[attribute.Key]any {
	got := map[attribute.Key]any{}
	for _, a := range s.Attributes() {
		got[a.Key] = a.Value.AsInterface()
	}
	return got
}

// written is what Publish wrote into traceparent for a span.
func written(sc oteltrace.SpanContext) string {
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + sc.TraceFlags().String()
}
