package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// maxError is the most bytes of an error's text.
const maxError = 512

// attributes are those of a recorded span beyond its place's.
func (p *publisher) attributes(to processor.Destination, e processor.Envelope) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 4)
	text := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(excerpt.Of(value, maxText)))
		}
	}
	text(semconv.MessagingMessageIDKey, e.ID)
	text(semconv.MessagingMessageConversationIDKey, e.CorrelationID)
	if p.system == DefaultSystem {
		text(semconv.MessagingRabbitMQDestinationRoutingKeyKey, to.RoutingKey)
	}
	return append(attrs, semconv.MessagingMessageBodySize(len(e.Body)))
}

// batchAttributes are those of a span of a batch.
func (p *publisher) batchAttributes(to processor.Destination, n int) []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.MessagingBatchMessageCount(n)}
	if p.system == DefaultSystem && to.RoutingKey != "" {
		attrs = append(attrs, semconv.MessagingRabbitMQDestinationRoutingKey(excerpt.Of(to.RoutingKey, maxText)))
	}
	return attrs
}

// errorTypes are the values of error.type, the first that fits.
var errorTypes = []struct {
	err  error
	name string
}{
	{processor.ErrUnroutable, "unroutable"},
	{processor.ErrRefused, "refused"},
	{processor.ErrForbidden, "forbidden"},
	{processor.ErrIndeterminate, "indeterminate"},
	{processor.ErrBlocked, "blocked"},
	{processor.ErrTooLarge, "too_large"},
	{processor.ErrHeaderType, "header_type"},
	{processor.ErrClosed, "closed"},
	{context.Canceled, "canceled"},
	{context.DeadlineExceeded, "timeout"},
}

func fail(span trace.Span, err error) {
	span.SetStatus(codes.Error, excerpt.Error(err, maxError))
	span.SetAttributes(errorType(err))
}

func errorType(err error) attribute.KeyValue {
	for _, t := range errorTypes {
		if callback.Is(err, t.err) {
			return semconv.ErrorTypeKey.String(t.name)
		}
	}
	return semconv.ErrorTypeOther
}

func failPanic(span trace.Span) {
	span.SetStatus(codes.Error, "a panic or runtime.Goexit passed by")
	span.SetAttributes(semconv.ErrorTypeKey.String("panic"))
}
