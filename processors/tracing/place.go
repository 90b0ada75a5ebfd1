package tracing

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// maxText is the most bytes of a name, key or id.
const maxText = 256

// place is an origin of messages, with the start options of its spans.
type place struct {
	origin  processor.Origin
	name    string
	options []trace.SpanStartOption
}

// place returns the place of the previous message if it is the same, as it mostly is. No others are
// kept: a sender chooses the keys.
func (t *tracing) place(o processor.Origin) *place {
	o.Redelivered = false
	if p := t.last.Load(); p != nil && p.origin == o {
		return p
	}
	p := newPlace(o, t.system)
	t.last.Store(p)
	return p
}

func newPlace(o processor.Origin, system string) *place {
	attrs := []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system),
		semconv.MessagingOperationName("process"),
		semconv.MessagingOperationTypeProcess,
	}
	if name := destination(o); name != "" {
		attrs = append(attrs, semconv.MessagingDestinationName(name))
	}
	name := "process"
	switch {
	case strings.HasPrefix(o.Queue, "amq.gen-"):
		attrs = append(attrs, semconv.MessagingDestinationAnonymous(true))
	case o.Queue != "":
		name += " " + excerpt.Of(o.Queue, maxText)
	}
	return &place{o, name, []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attrs...),
	}}
}

// destination is exchange:key:queue without empty parts, and without a queue whose name is the key.
func destination(o processor.Origin) string {
	parts := make([]string, 0, 3)
	for _, s := range []string{o.Exchange, o.RoutingKey, o.Queue} {
		if s != "" {
			parts = append(parts, excerpt.Of(s, maxText))
		}
	}
	if o.Queue != "" && o.Queue == o.RoutingKey {
		parts = parts[:len(parts)-1]
	}
	return strings.Join(parts, ":")
}
