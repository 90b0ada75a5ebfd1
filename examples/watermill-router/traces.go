package main

import (
	"context"
	"fmt"
	"io"
	"sync"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// propagator lets a retried letter continue its trace.
var propagator = propagation.TraceContext{}

// traces counts spans. A real program has an exporter there.
type traces struct {
	provider *sdktrace.TracerProvider

	mu     sync.Mutex
	spans  int
	traces map[trace.TraceID]bool
}

var _ sdktrace.SpanExporter = (*traces)(nil)

func newTraces() *traces {
	t := &traces{traces: map[trace.TraceID]bool{}}
	t.provider = sdktrace.NewTracerProvider(sdktrace.WithSyncer(t))
	return t
}

func (t *traces) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range spans {
		t.spans++
		t.traces[s.SpanContext().TraceID()] = true
	}
	return nil
}

func (*traces) Shutdown(context.Context) error { return nil }

func (t *traces) report(w io.Writer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(w, "%d traces with %d spans\n", len(t.traces), t.spans)
}
