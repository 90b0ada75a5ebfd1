// Package processor is Warren's vocabulary: messages, the processors that work on
// them, what an error says about a message, and publishers. It depends on the standard
// library only, and on no broker.
//
// A [Processor] works on one [Message]. A [Middleware] decorates a processor with
// another. A handler is a processor that decorates nothing; [Typed] makes one from a
// function that takes a decoded value. A [Publisher] hands an [Envelope] to a broker.
//
// # Where the rest is
//
// Package processor/stack composes middlewares into a pipeline, refuses a wrong order
// and describes the result. Who writes a middleware finds there what a layer can
// implement: a name and a role, a start and a stop, settings.
//
// Package broker has what a broker consists of: topology, sources, subscriptions, and
// the one implementation of [Message].
//
// Package processor/processortest has a fake message, a fake publisher, and a
// conformance suite for middlewares.
//
// # Outcomes are errors
//
// What a processor returns decides what becomes of the message. A plain error has
// failed and may be retried; [Reject], [Requeue], [Drop], [RetryAfter], [ErrStop] and
// [Stop] say more. They wrap, so errors.Is and errors.As see through them, and
// [Decide] is the one place that reads them.
//
// # Settlement
//
// A message taken from a broker is owed exactly one settlement, an ack or a nack.
// Shipped stacks leave it to one layer, processors/ack. A second settlement returns
// [ErrSettled] and sends nothing.
package processor
