// Package processor is Warren's vocabulary: messages, the processors that work on
// them, and the stacks that processors are composed into. It depends on the
// standard library only, and on no broker.
//
// A [Processor] works on one [Message]. A [Middleware] decorates a processor with
// another. A [Stack] is a list of middlewares, outermost first, and
//
//	NewStack(m1, m2, m3).Then(handler)
//
// builds m1(m2(m3(handler))) once, as a [Pipeline]. Nothing is built per message.
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
//
// # Performance
//
// A built pipeline is a chain of interface calls. The success path of a layer
// allocates nothing, takes no lock across the call to the next layer, and starts no
// goroutine; processors that need a context value or a timer pay for it themselves.
package processor
