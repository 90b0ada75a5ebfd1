package tracing

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/internal/tracecontext"
	"github.com/gowarren/warren/processor"
)

// scope is the name of the instrumentation.
const scope = "github.com/gowarren/warren/publisher/tracing"

// New returns a publisher that publishes through next in a span of its own. It is safe for
// concurrent use if next is. Errors and panics pass through unchanged.
//
// The error is about wrong options, and about a next that is nil or cannot work
// ([processor.Check]).
func New(next processor.Publisher, opts ...Option) (processor.Publisher, error) {
	c := config{system: DefaultSystem}
	if err := option.Apply("tracing", &c, opts); err != nil {
		return nil, err
	}
	if err := option.Publisher("tracing: the publisher", next); err != nil {
		return nil, err
	}
	if c.system == "" {
		return nil, errors.New("tracing: the system is empty: name one, such as kafka, or leave the option out")
	}
	if c.propagator == nil {
		c.propagator = propagation.TraceContext{}
	}
	if c.provider == nil {
		c.provider = otel.GetTracerProvider()
	}
	if err := processor.Check(c.provider); err != nil {
		return nil, fmt.Errorf("tracing: the tracer provider cannot work: %w", err)
	}
	return &publisher{
		config: c,
		tracer: c.provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		fields: c.propagator.Fields(),
		next:   next,
	}, nil
}

type publisher struct {
	config
	tracer trace.Tracer
	fields []string // the headers that the propagator writes
	next   processor.Publisher
	last   atomic.Pointer[place] // of the previous message
}

var (
	_ processor.Publisher      = (*publisher)(nil)
	_ processor.BatchPublisher = (*publisher)(nil)
)

// Unwrap is for [processor.Decorated].
func (p *publisher) Unwrap() processor.Publisher { return p.next }

// Publish publishes e with the span in its headers.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	ctx, span := p.start(ctx, to, e)
	returned := false
	defer func() {
		if !returned {
			failPanic(span)
		}
		span.End()
	}()
	err := p.publish(ctx, to, e)
	returned = true
	if err != nil && span.IsRecording() {
		fail(span, err)
	}
	return err
}

// publish publishes e, without our headers if they make it too large. Otherwise a copy that a retry
// layer parks without its own headers could never be parked.
func (p *publisher) publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	traced := e
	traced.Headers = p.inject(ctx, e.Headers)
	err := p.next.Publish(ctx, to, traced)
	if callback.Is(err, processor.ErrTooLarge) { // it is not stored
		return p.next.Publish(ctx, to, e)
	}
	return err
}

// inject returns a copy of the headers that names the span of ctx and no other.
func (p *publisher) inject(ctx context.Context, h processor.Headers) processor.Headers {
	h = h.Clone()
	for _, name := range p.fields {
		delete(h, name)
	}
	p.propagator.Inject(ctx, tracecontext.Carrier(h))
	return h
}

// start starts the span, as a child of that of ctx, or of the one that the headers name.
func (p *publisher) start(ctx context.Context, to processor.Destination, e processor.Envelope) (context.Context, trace.Span) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		ctx = p.propagator.Extract(ctx, tracecontext.Carrier(e.Headers))
	}
	at := p.place(to)
	ctx, span := p.tracer.Start(ctx, at.name, at.options...)
	if span.IsRecording() {
		span.SetAttributes(p.attributes(to, e)...)
	}
	return ctx, span
}
