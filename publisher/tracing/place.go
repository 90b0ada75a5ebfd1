package tracing

import (
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// maxText is the most bytes of a name, key or id.
const maxText = 256

// place is a destination, with the start options of its spans.
type place struct {
	to      processor.Destination
	name    string
	options []trace.SpanStartOption
}

// place returns the place of the previous message if it is the same. No others are kept: there may
// be any number of keys.
func (p *publisher) place(to processor.Destination) *place {
	if at := p.last.Load(); at != nil && at.to == to {
		return at
	}
	at := newPlace(to, p.system)
	p.last.Store(at)
	return at
}

func newPlace(to processor.Destination, system string) *place {
	return &place{to, spanName(to), []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(
			semconv.MessagingSystemKey.String(system),
			semconv.MessagingOperationName("publish"),
			semconv.MessagingOperationTypeSend,
			semconv.MessagingDestinationName(destination(to)),
		),
	}}
}

func spanName(to processor.Destination) string {
	entity := to.Exchange
	if entity == "" && !strings.HasPrefix(to.RoutingKey, "amq.") {
		entity = to.RoutingKey
	}
	if entity == "" {
		return "publish"
	}
	return "publish " + excerpt.Of(entity, maxText)
}

// destination is exchange:key without empty parts.
func destination(to processor.Destination) string {
	exchange, key := excerpt.Of(to.Exchange, maxText), excerpt.Of(to.RoutingKey, maxText)
	switch {
	case exchange == "" && key == "":
		return "amq.default"
	case exchange == "":
		return key
	case key == "":
		return exchange
	}
	return exchange + ":" + key
}
