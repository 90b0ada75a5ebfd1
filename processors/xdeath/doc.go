// Package xdeath ends retries that only the broker makes: Swarrot's XDeathMaxCountProcessor and
// XDeathMaxLifetimeProcessor in one.
//
// In such a loop nothing is republished. The work queue dead-letters nacked messages to a queue
// where they wait, and that one dead-letters expired messages back to the work queue. The broker
// counts the rounds in the header x-death, and goes on without end. When a message has failed, this
// layer reads the header, and at a limit it parks the message, or asks a function what to do:
//
//	stack.New(
//		ack.New(),
//		xdeath.New(xdeath.MaxCount(5), xdeath.Park(b.Publisher(), parked)),
//		recovery.New(),
//	).Then(handler)
//
// Put it inside ack, and outside recovery, decode and timeouts: a message that panics, does not
// decode or takes too long makes its rounds like any other that fails. With ack.RequeueOnError a
// failed message is not dead-lettered, and is never counted.
//
// # The delivery limit of the work queue
//
// RabbitMQ drops a message that returns to a queue without having been rejected, as a cycle. So
// what a quorum work queue dead-letters at its delivery limit, which is 20 by default from RabbitMQ
// 4.0 on, is lost in such a loop: a message that kills its worker, or was requeued too often. (A
// delay that dead-letters at least once holds it without end.) On 4.3 each rejection counts as
// well, since the count is kept on dead-lettering: after 20 rounds the first message that is
// requeued is lost. So give the work queue the delivery limit broker.HighDeliveryLimit; this layer
// ends the rounds. A classic work queue has no limit.
//
//	broker.Queue{
//		Name: "mail", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit,
//		DeadLetter: &broker.DeadLetter{RoutingKey: "mail_wait"},
//	}
//
// A service, and package broker/needs, give such a queue that limit by themselves, and declare the parked queue;
// see the layer's Topology. broker/rabbitmq/verify finds such loops in a live broker.
//
// # What counts
//
// The entries of x-death for one queue, that of the message unless [Queue] names another: its
// deaths there, whatever the reasons, are added up, and its lifetime begins with the first of them,
// in the broker's whole seconds. The current failure is not among them: with MaxCount(5) the sixth
// failure is over the limit. Swarrot looks at one of the entries only.
//
// A message that has failed or is rejected is judged: the broker treats them alike. One that was
// cut short, that an inner layer dropped, requeued or released, or that the handler has settled
// itself, is not.
//
// # x-death can be forged
//
// The limits are for loops of the broker alone. processors/retry counts in a header of its own, and
// its copies have no x-death, so rounds before a republish are forgotten. RabbitMQ 3.10 accepts an
// x-death that a client publishes; 4.0 and 4.3 ignore it. Where it is accepted, a sender can
// shorten or prolong the life of its own message: the broker adds to what it finds. Malformed,
// negative or future values are not counted.
package xdeath
