// Package tracing makes an OpenTelemetry span of each published message, and writes it into the
// message's headers. Package processors/tracing, or any reader of W3C's trace context, continues
// the trace.
//
// Wrap the broker's publisher once and use it everywhere:
//
//	traced, err := tracing.New(b.Publisher())
//	...
//	err = traced.Publish(ctx, to, envelope)
//
// A layer that publishes copies, such as retry, passes its context on. Inside processors/tracing
// that context holds the span of the message, and the copy becomes its child. Without a span in the
// context, the span is a child of the one that the headers name, so the copy still stays in the
// trace of its message.
//
// # The span
//
// It follows OpenTelemetry's conventions for messaging and for RabbitMQ, version 1.43, which are
// not stable yet. The kind is producer, and the name "publish" and the exchange; for the default
// exchange the routing key, which names a queue, or "publish" alone if that starts with amq., as
// the names of reply queues do. The body and the headers are never included. The attributes:
//
//	messaging.system, messaging.operation.name, messaging.operation.type
//	messaging.destination.name (exchange:key)
//	messaging.rabbitmq.destination.routing_key
//	messaging.message.id, messaging.message.conversation_id, messaging.message.body.size
//	error.type
//
// The first two lines, and the name, are available to a sampler. The status is an error if Publish
// returns one, and error.type is the first of these that it wraps: unroutable, refused, forbidden,
// indeterminate, blocked, too_large, header_type, closed (see package processor), canceled,
// timeout; otherwise _OTHER, or "panic".
//
// A batch ([processor.PublishBatch]) has one span, with messaging.batch.message_count instead of
// the attributes of one message. Without a span in the context, it is linked to those that the
// headers name.
//
// # Headers
//
// The span is written into a copy of the headers, even if it is not recorded, so that all readers
// of the message agree on that. It replaces what the headers said before, and a stale tracestate is
// removed: a message that is retried without end does not grow. Values longer than 512 bytes (8192
// for baggage) are not written. A message that is too large with our headers is published without
// them: tracing is no reason to refuse it.
//
// # Performance
//
// A message that is not recorded costs what the Go SDK of OpenTelemetry costs, and a copy of its
// headers and traceparent: 7 allocations without other headers, and one to two microseconds.
package tracing
