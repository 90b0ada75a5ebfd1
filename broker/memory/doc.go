// Package memory is a message broker in the process that uses it, with the semantics
// of RabbitMQ 4.3, or of an older one with [Version]. Demos and tests run on it with nothing
// to install; under testing/synctest a schedule of a day takes milliseconds.
// broker/brokertest tests it for the behaviour of RabbitMQ 3.10.8, 4.0.5 and 4.3.6.
//
//	b := memory.New()
//	defer b.Close(ctx)
//	err := b.Declare(ctx, topology)
//
// In a synctest bubble, make the broker and close it there.
//
// # Features
//
// Direct, topic, fanout and headers exchanges, the default exchange and the amq.*
// exchanges; alternate exchanges; CC and BCC; prefetch and turns among subscriptions;
// requeueing to the old place in classic queues and to the front of quorum queues; queue TTL
// and message expiration, which take effect at the head of the queue; dead-lettering with
// x-death, at most once, dropping cycles, or at least once; length limits with each overflow
// behaviour; queues that expire. Quorum queues have delivery limits, 20 by default,
// x-delivery-count and x-acquired-count, strict priorities, and delayed retries.
// Bodies have at most 16 MiB. [OnDrop] reports messages that RabbitMQ would drop silently.
//
// # Failed deliveries
//
// A Nack counts as a failed delivery, with requeue or without. A message that is given back
// untouched, by Release or at the end of a subscription, does not count; on 3.10 and 4.0 it does.
// On RabbitMQ a lost connection counts for its unsettled messages on every version; here no
// connection is lost.
//
// As on RabbitMQ 4.3, a message keeps its failures when it is dead-lettered, and they count toward
// the limit of the next quorum queue: one that died of a limit of 20 is dropped, or dead-lettered
// again, at its first failure in a queue with the default limit.
//
// # Differences from RabbitMQ
//
// Nothing outlives [Broker.Close]: durable, transient and quorum are the same. Exclusive
// and auto-delete are accepted and do nothing, as does x-max-priority. A message of priority 0
// has none. There are no users: a user id is not checked. A message that a quorum queue keeps,
// because its dead-letter target is missing or full, is forwarded as soon as possible, and holds up
// no other: RabbitMQ tries again after minutes, and stops at 32 messages. A prefetch may be
// larger than the protocol's 65,535. x-single-active-consumer, a delivery limit of -1, delayed
// retries of another type than failed, streams and exchange types of plugins are refused.
//
// A message that dies from queue to queue at once, without any time or consumer in
// between, is dropped when it has done so more often than there are queues.
//
// # Performance
//
// One mutex guards the broker; no callback is called and no goroutine waits while it is held.
// The broker has no goroutines, only timers. Publishing, delivering and settling take constant time
// whatever the length of the queue; a requeue takes the logarithm of the number of requeued
// messages in the queue.
package memory
