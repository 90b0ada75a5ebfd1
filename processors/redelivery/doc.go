// Package redelivery retries messages without copies: a failed message is requeued, and its queue
// waits for a while before it redelivers it. RabbitMQ does that from 4.3 on, with quorum queues:
//
//	stack.New(
//		ack.New(),
//		redelivery.New(b.Publisher(), "mail_parked", redelivery.Retries(5), redelivery.Wait(time.Second, time.Minute)),
//		recovery.New(),
//	).Then(handler)
//
// The layer says what it needs in the broker: a service declares it, and package broker/needs lists it for the stack.
//
// A message that fails is redelivered after 1, 2, 3, 4 and 5 seconds; when it then fails again it
// is published to mail_parked with its reasons, as by processors/retry. Nothing is published before
// that, so there are no retry queues, no confirms to wait for, and no duplicates. Waiting messages
// are in the work queue, replicated like the others, and survive the death of nodes and workers.
// They are neither ready nor unacked, and delay no other message.
//
// # What counts
//
// The queue counts failures, in the header x-delivery-count. A failed attempt is a basic.reject,
// and counts. RabbitMQ also counts the end of a channel or a connection with the message unsettled:
// a worker that crashes uses up an attempt of all its messages in flight, and each of them waits,
// which slows down a crash loop. Messages released untouched, at a shutdown or a pause, or by
// [processor.Release], do not count, and are redelivered at once.
//
// The count is kept when a quorum queue dead-letters: a message dead-lettered elsewhere that then
// comes here has fewer attempts left. A copy, such as one of broker/replay, starts at 0. A sender
// can write the header, and RabbitMQ shows it until the message has failed once, so it is ignored
// at the first delivery. At worst such a message is parked early.
//
// # The broker's own limit
//
// [Topology] gives the work queue a delivery limit that is higher by [Margin], and the parked queue
// as its dead-letter target. The layer parks a message before the queue reaches its limit. The
// limit is for messages that the layer cannot park: one that kills its worker each time, one whose
// inner layers return [processor.Requeue] without end, and one whose park publish failed. The queue
// moves these to the parked queue, at least once, where x-death says delivery_limit instead of our
// reasons.
//
// # Servers without delayed retry
//
// RabbitMQ 4.0 and 3.10 take the arguments of such a queue and ignore them. Declare of
// broker/rabbitmq checks the version first, and refuses ([broker.ErrUnsupported]); so do a
// subscription that reaches an older node by a failover, verify, and the stack, if the publisher
// knows the version. A work queue that was declared without a delayed retry is no hot loop: unless
// the broker is known to wait, the consumer does.
//
// A cluster has only the features that all of its nodes have. Upgrade all to 4.3, and enable the
// feature flags, before you declare the topology.
//
// # Limits
//
// The schedule is linear, min, 2 min, 3 min and so on, up to max, and the same for the whole queue.
// It cannot be changed once declared, has no jitter, and [processor.RetryAfter] is a failure like
// any other. For these use processors/backoff. The order is not kept: other messages overtake
// waiting ones.
package redelivery
