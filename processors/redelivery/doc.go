// Package redelivery retries messages without copies: a message that failed goes back to its
// queue, which keeps it for a while before it delivers it again. RabbitMQ does that from 4.3
// on, with quorum queues:
//
//	options := []redelivery.Option{redelivery.Retries(5), redelivery.Wait(time.Second, time.Minute)}
//	topology, err := redelivery.Topology(broker.Queue{Name: "mail"}, "mail_parked", options...)
//	// ... broker.Declare(ctx, topology)
//	stack.New(
//		ack.New(),
//		redelivery.New(broker.Publisher(), "mail_parked", options...),
//		recovery.New(),
//	).Then(handler)
//
// A message that fails comes again after 1, 2, 3, 4 and 5 seconds; when it then fails again it
// is published to mail_parked with its reasons, as processors/retry does it. Nothing is
// published before that, so there are no retry queues, no confirms to wait for, and no
// copies that double. What waits is in the work queue, replicated as all of it, and survives
// the death of nodes and workers. It is neither ready nor unacked, and holds up nobody: what
// comes later is delivered meanwhile.
//
// # What counts
//
// The queue counts failures, in the header x-delivery-count. A failed attempt is a
// basic.reject, and counts. So does, to RabbitMQ, the end of a channel or a connection with
// the message unsettled: a worker that crashes uses up an attempt of all that it had in hand,
// and each of them waits, which slows down a crash loop. What was given back untouched, at a
// shutdown or a pause, or by [processor.Release], does not count, and comes again at once.
//
// The count goes along when a quorum queue dead-letters: what dies elsewhere and then
// comes here has fewer attempts left. A copy, as of broker/replay, begins anew. A sender can
// write the header, and RabbitMQ shows it until the message has failed once: it is believed
// only with a message that was delivered before. At worst such a message is parked early.
//
// # The broker's own limit
//
// [Topology] gives the work queue a delivery limit that is higher by [Margin], and the parked
// queue as its dead-letter target. The layer parks a message before the queue gives
// it up. What never comes to the layer is for the queue: a message that kills its worker
// each time, or whose layers inside say [processor.Requeue] for ever, and what could not be
// parked as the publisher failed. The queue moves it to the parked queue, at least once, and
// x-death there says delivery_limit in place of our reasons.
//
// # Servers that cannot
//
// RabbitMQ 4.0 and 3.10 take the arguments of such a queue and ignore them. Declare of
// broker/rabbitmq asks for the version first, and refuses ([broker.ErrUnsupported]); so do a
// subscription that comes to an older node by a failover, verify, and the stack, if the
// publisher knows of it. A work queue that was declared in another way, and does not wait, is
// no hot loop either: unless the broker is known to wait, a consumer does so itself.
//
// A cluster with nodes older than 4.3 has what all of its nodes have. Upgrade all, and enable
// the feature flags, before the topology is declared.
//
// # What it cannot do
//
// The schedule is linear, min, 2 min, 3 min and so on, up to max, and one for the queue: it
// cannot be changed once declared, has no jitter, and [processor.RetryAfter] is a failure
// like any other. For these there is processors/backoff. The order is not kept: what waits is
// overtaken.
package redelivery
