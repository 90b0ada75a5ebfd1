// Package xdeath ends the retries that a broker makes alone: Swarrot's
// XDeathMaxCountProcessor and XDeathMaxLifetimeProcessor in one.
//
// In such a loop nothing is republished. The work queue dead-letters what is nacked to a
// queue where it waits, and that one dead-letters what has expired back to the work queue.
// The broker counts the rounds in the header x-death, and goes on for ever. This layer
// looks there when a message has failed, and once a limit is reached it parks the message,
// or asks a function what to do:
//
//	stack.New(
//		ack.New(),
//		xdeath.New(xdeath.MaxCount(5), xdeath.Park(broker.Publisher(), parked)),
//		recovery.New(),
//	).Then(handler)
//
// Put it inside ack, and outside recovery, decode and timeouts: a message that panics, does
// not decode or takes too long goes round like any other that fails. With
// ack.RequeueOnError a failed message does not die, and is never counted.
//
// # The delivery limit of the work queue
//
// RabbitMQ lets messages that were rejected go round. Those that died of anything else it
// takes for a cycle and drops, and so what a quorum work queue gives up at its delivery limit,
// which is 20 by default from RabbitMQ 4.0 on, is lost in such a loop: a message that kills its
// worker, or went back too often. (A delay that dead-letters at least once holds it for ever.)
// On 4.3 each rejection counts as well, since the count goes round with the message: after 20
// rounds the first message that goes back is lost. So give the work queue the delivery limit
// broker.HighDeliveryLimit; this layer ends the rounds. A classic work queue has no limit.
//
//	broker.Queue{
//		Name: "mail", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit,
//		DeadLetter: &broker.DeadLetter{RoutingKey: "mail_wait"},
//	}
//
// broker/rabbitmq/verify finds such loops in a live broker.
//
// # What counts
//
// The entries of x-death that are about one queue, that of the message unless [Queue] names
// another: its deaths there, whatever the reasons, are added up, and its lifetime begins
// with the first of them, in the broker's whole seconds. The failure at hand is not among
// them: with MaxCount(5) the sixth failure is over the limit. Swarrot looks at one of the
// entries only.
//
// A message that has failed or is rejected is judged: to the broker they are the same. One
// that was cut short, that a layer inside dropped, requeued or released, or that the handler
// has settled itself, is not.
//
// # x-death is a claim
//
// The limits are for loops of the broker alone. processors/retry counts in a header of its
// own, and its copies have no x-death, so rounds before a republish are forgotten. RabbitMQ
// 3.10 takes an x-death that a client publishes at its word, and 4.0 and 4.3 ignore it. Where
// it is taken, a sender can shorten the life of a message of its own, and prolong it: the
// broker counts on from what it finds. What is malformed, negative or in the future is not
// counted.
package xdeath
