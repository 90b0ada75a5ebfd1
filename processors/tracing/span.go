package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Attributes that OpenTelemetry has no name for.
const (
	// AttemptKey is the number of the attempt, from 1: one more than the retries in the header
	// swarrot_retry_attempts, which a sender can write.
	AttemptKey attribute.Key = "warren.attempt"
	// RedeliveredKey is the broker's hint that the message was delivered before.
	RedeliveredKey attribute.Key = "warren.redelivered"
	// DecisionKey is the outcome of the message: a [processor.Action] in lower case. A message that
	// was cut short, by the shutdown or the loss of its channel, is released.
	DecisionKey attribute.Key = "warren.decision"
)

// attributes are those of a recorded span beyond its place's.
func (t *tracing) attributes(msg processor.Message) []attribute.KeyValue {
	o, p := msg.Origin(), msg.Properties()
	attrs := make([]attribute.KeyValue, 0, 6)
	text := func(key attribute.Key, value string) {
		if value != "" {
			attrs = append(attrs, key.String(excerpt.Of(value, maxText)))
		}
	}
	text(semconv.MessagingMessageIDKey, p.ID)
	text(semconv.MessagingMessageConversationIDKey, p.CorrelationID)
	if t.system == DefaultSystem {
		text(semconv.MessagingRabbitMQDestinationRoutingKeyKey, o.RoutingKey)
	}
	return append(attrs,
		semconv.MessagingMessageBodySize(len(msg.Body())),
		AttemptKey.Int64(republish.Attempt(msg.Headers())),
		RedeliveredKey.Bool(o.Redelivered),
	)
}

// finish records the outcome of the message on the span.
func finish(ctx context.Context, span trace.Span, err error) {
	action := processor.Decide(err).Action
	if cutShort(ctx, action) {
		action = processor.Released
	}
	span.SetAttributes(DecisionKey.String(action.String()))
	if action != processor.Done && action != processor.Released {
		fail(span, err)
	}
}

// cutShort reports whether the message has not failed, whatever its processing returned. Even a
// rejection does not reach a broker whose channel is lost.
func cutShort(ctx context.Context, a processor.Action) bool {
	switch a {
	case processor.Failed, processor.Requeued:
		return processor.ShuttingDown(ctx) || processor.Lost(ctx)
	case processor.Rejected:
		return processor.Lost(ctx)
	default:
		return false
	}
}

// RecordError marks the span in ctx as failed with err, for callbacks of layers that end the errors
// of the inner ones, such as retry.OnRepublish. The text is cut, and an Error method that panics
// does no harm. It does nothing if err is nil, or if ctx holds no recorded span.
func RecordError(ctx context.Context, err error) {
	if span := trace.SpanFromContext(ctx); err != nil && span.IsRecording() {
		fail(span, err)
	}
}

// fail does not use the span's RecordError, which takes the whole text and does not recover its
// panic.
func fail(span trace.Span, err error) {
	// As in the headers of a parked message.
	text, kind := republish.Describe(err)
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
		semconv.ExceptionType(kind), semconv.ExceptionMessage(text)))
	span.SetStatus(codes.Error, text)
	span.SetAttributes(semconv.ErrorTypeKey.String(kind))
}

func failPanic(span trace.Span) {
	span.SetStatus(codes.Error, "a panic or runtime.Goexit passed by")
	span.SetAttributes(semconv.ErrorTypeKey.String("panic"))
}
