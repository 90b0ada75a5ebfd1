// Package tracing makes an OpenTelemetry span of each message, as a child of the span that
// the sender wrote into its headers. It is for what Swarrot's NewRelicProcessor did.
//
// Put it outermost, so that the span covers the settlement and the retries, and give the
// layers that publish the publisher of package publisher/tracing. One trace then holds the
// publish, every attempt and the park key:
//
//	traced := publishertracing.New(broker.Publisher()) // publisher/tracing
//	stack.New(
//		tracing.New(),
//		ack.New(),
//		retry.New(traced, "mail_retry_%attempt%", retry.OnRepublish(
//			func(ctx context.Context, e retry.Event) { tracing.RecordError(ctx, e.Err) })),
//		recovery.New(),
//	)
//
// A layer that ends an error, as retry does once it has published a copy, hides it from
// the layers outside. [RecordError] is for the callbacks of such layers: without it the
// span of an attempt that is retried looks like that of one that went well. A catch layer
// goes outside this one.
//
// # The span
//
// It follows OpenTelemetry's conventions for messaging and for RabbitMQ, version 1.43,
// which are not stable yet. The kind is consumer, and the name "process" and the queue, or
// "process" alone for a queue whose name the broker made (amq.gen-). The conventions would
// have the exchange and the routing key in the name as well; a sender chooses the key, and
// there may be millions. The attributes:
//
//	messaging.system, messaging.operation.name, messaging.operation.type
//	messaging.destination.name (exchange:key:queue), messaging.destination.anonymous
//	messaging.rabbitmq.destination.routing_key
//	messaging.message.id, messaging.message.conversation_id, messaging.message.body.size
//	error.type
//	warren.attempt, warren.redelivered, warren.decision
//
// The first two lines, and the name, are there for a sampler. Never the body, nor a header
// other than the count of attempts. Texts are cut to a bounded size. A handler adds its own
// with trace.SpanFromContext(ctx).SetAttributes.
//
// The status is an error for each message that failed, whatever becomes of it: a dropped
// one as well. One that was released, or cut short by the shutdown or by the loss of its
// channel, has not failed. The error is recorded as an exception event, and error.type is its Go type, as in the header
// warren-error-type of a parked message, or "panic" where no layer inside has recovered
// from one.
//
// # Headers are claims
//
// A header that is too long, malformed or not text is as good as none: the span starts a
// trace of its own. tracestate and others may have 512 bytes, baggage 8192. What a sender
// writes decides which trace the span belongs to and, with the SDK's usual sampler,
// whether it is recorded; where senders are strangers, give the provider a sampler that
// does not follow a remote parent. Never decide about access by it.
//
// If the context of the run holds a span already, that span is linked, or is the parent
// where the headers name none.
//
// # Performance
//
// A message that is not recorded costs what the Go SDK of OpenTelemetry costs: 5 allocations and
// about a microsecond. Nothing is built for it but the name and the attributes that a
// sampler may want, and those are kept for the next message: one from another exchange or
// queue, or with another key, costs 13.
package tracing
