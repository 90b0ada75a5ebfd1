// Package processor has Warren's basic types: messages, the processors that work on
// them, the meaning of their errors, and publishers. It depends on the standard
// library only, and on no broker.
//
// A [Processor] works on one [Message]. A [Middleware] decorates a processor with
// another. A handler is a processor that decorates nothing; [Typed] makes one from a
// function that takes a decoded value. A [Publisher] sends an [Envelope] to a broker.
//
// # Where the rest is
//
// Package processor/stack composes middlewares into a pipeline, refuses a wrong order
// and describes the result. It has the interfaces that a layer can implement: a name and
// a role, a start and a stop, settings.
//
// Package broker has the parts of a broker: topology, sources, subscriptions, and
// the one implementation of [Message].
//
// Package processor/processortest has a fake message, a fake publisher, and a
// conformance suite for middlewares.
//
// # Outcomes are errors
//
// The error of a processor decides what becomes of the message. A plain error is a failure
// that may be retried; [Reject], [Requeue], [Drop], [RetryAfter], [ErrStop] and
// [Stop] say more. They wrap, so errors.Is and errors.As see through them, and
// [Decide] is the one place that reads them.
//
// # Settlement
//
// A message taken from a broker must be settled exactly once, by an ack or a nack.
// Shipped stacks leave it to one layer, processors/ack. A second settlement returns
// [ErrSettled] and sends nothing.
package processor
