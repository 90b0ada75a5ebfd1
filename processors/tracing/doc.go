// Package tracing makes an OpenTelemetry span of each message, as a child of the span that the
// sender wrote into its headers. It replaces Swarrot's NewRelicProcessor.
//
// Put it outermost, so that the span covers the settlement and the retries, and use the publisher
// of package publisher/tracing in the layers that publish. One trace then holds the publish, every
// attempt and the parking:
//
//	traced, err := publishertracing.New(b.Publisher()) // publisher/tracing
//	...
//	stack.New(
//		tracing.New(),
//		ack.New(),
//		retry.New(traced, "mail_retry_%attempt%", retry.OnRepublish(
//			func(ctx context.Context, e retry.Event) { tracing.RecordError(ctx, e.Err) })),
//		recovery.New(),
//	)
//
// A layer that ends an error, as retry does once it has published a copy, hides it from the outer
// layers. Call [RecordError] in the callbacks of such layers: without it the span of a retried
// attempt looks like a success. Put a catch layer outside this one.
//
// # The span
//
// It follows OpenTelemetry's conventions for messaging and for RabbitMQ, version 1.43, which are
// not stable yet. The kind is consumer, and the name "process" and the queue, or "process" alone
// for a queue whose name the broker made (amq.gen-). The conventions also put the exchange and the
// routing key into the name; they are left out, since senders choose the key, and there may be
// millions. The attributes:
//
//	messaging.system, messaging.operation.name, messaging.operation.type
//	messaging.destination.name (exchange:key:queue), messaging.destination.anonymous
//	messaging.rabbitmq.destination.routing_key
//	messaging.message.id, messaging.message.conversation_id, messaging.message.body.size
//	error.type
//	warren.attempt, warren.redelivered, warren.decision
//
// The first two lines, and the name, are available to a sampler. The body is never included, nor a
// header other than the count of attempts. Texts are cut to a bounded size. A handler adds
// attributes with trace.SpanFromContext(ctx).SetAttributes.
//
// The status is an error for each message that failed, whatever its outcome, also if dropped. One
// that was released, or cut short by the shutdown or by the loss of its channel, has not failed.
// The error is recorded as an exception event, and error.type is its Go type, as in the header
// warren-error-type of a parked message, or "panic" if no inner layer has recovered from one.
//
// # Headers come from senders
//
// A header that is too long, malformed or not text is ignored: the span starts a trace of its own.
// tracestate and others may have 512 bytes, baggage 8192. The sender's headers decide which trace
// the span belongs to and, with the SDK's usual sampler, whether it is recorded. For unknown
// senders, give the provider a sampler that does not follow a remote parent. Never base access
// decisions on these headers.
//
// If the context of the run holds a span, that span is linked, or is the parent if the headers name
// none.
//
// # Performance
//
// A message that is not recorded costs what the Go SDK of OpenTelemetry costs: 5 allocations and
// about a microsecond. Only the name and the attributes that a sampler may want are built, and kept
// for the next message: one from another exchange or queue, or with another key, costs 13.
package tracing
