package tracing

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/tracecontext"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// scope is the name of the instrumentation.
const scope = "github.com/gowarren/warren/processors/tracing"

// New returns a middleware that makes a span of each message. It is safe for concurrent use. It
// allocates the span and the context that holds it; see the package documentation. Errors and
// panics pass through unchanged.
//
// The stack refuses a nil option and an empty system.
func New(opts ...Option) processor.Middleware {
	c := config{system: DefaultSystem}
	if err := option.Apply("tracing", &c, opts); err != nil {
		return stack.Invalid(err)
	}
	if err := c.check(); err != nil {
		return stack.Invalid(err)
	}
	if c.propagator == nil {
		c.propagator = propagation.TraceContext{}
	}
	provider := c.provider
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	tracer := provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	return func(next processor.Processor) processor.Processor {
		return &tracing{config: c, tracer: tracer, next: next}
	}
}

type tracing struct {
	config
	tracer trace.Tracer
	next   processor.Processor
	last   atomic.Pointer[place] // of the previous message
}

var (
	_ stack.Layer     = (*tracing)(nil)
	_ stack.Wrapper   = (*tracing)(nil)
	_ stack.Predictor = (*tracing)(nil)
	_ stack.Describer = (*tracing)(nil)
)

// Name is "tracing".
func (*tracing) Name() string { return "tracing" }

// Role is "": its place does not matter to a message.
func (*tracing) Role() stack.Role { return "" }

// Unwrap returns the inner layers.
func (t *tracing) Unwrap() processor.Processor { return t.next }

// Predict returns o unchanged.
func (*tracing) Predict(o stack.Outcome) stack.Outcome { return o }

// Settings returns those of the options.
func (t *tracing) Settings() []stack.Setting {
	provider := "global"
	if t.provider != nil {
		provider = "given"
	}
	fields := slices.Sorted(slices.Values(t.propagator.Fields()))
	return []stack.Setting{
		{Name: "tracer provider", Value: provider},
		{Name: "propagator", Value: strings.Join(fields, ",")},
		{Name: "system", Value: t.system},
	}
}

// Process runs the inner layers in a span.
func (t *tracing) Process(ctx context.Context, msg processor.Message) error {
	ctx, span := t.start(ctx, msg)
	returned := false
	defer func() {
		// Without recover, which would hide from a crash's trace where it panicked.
		if !returned {
			failPanic(span)
		}
		span.End()
	}()
	err := t.next.Process(ctx, msg)
	returned = true
	if span.IsRecording() {
		finish(ctx, span, err)
	}
	return err
}

// start starts the span, as a child of the one that the headers name.
func (t *tracing) start(ctx context.Context, msg processor.Message) (context.Context, trace.Span) {
	ambient := trace.SpanContextFromContext(ctx)
	ctx = t.propagator.Extract(ctx, tracecontext.Carrier(msg.Headers()))
	p := t.place(msg.Origin())
	opts := p.options
	if ambient.IsValid() && !ambient.Equal(trace.SpanContextFromContext(ctx)) {
		opts = append(slices.Clip(opts), trace.WithLinks(trace.Link{SpanContext: ambient}))
	}
	ctx, span := t.tracer.Start(ctx, p.name, opts...)
	if span.IsRecording() {
		span.SetAttributes(t.attributes(msg)...)
	}
	return ctx, span
}
