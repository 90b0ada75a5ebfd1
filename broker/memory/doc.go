// Package memory is a message broker in the process that uses it, with the semantics
// of RabbitMQ 4.3, or of an older one with [Version]. Demos and tests run on it, with nothing
// to install, and with testing/synctest a schedule of a day in milliseconds.
// broker/brokertest holds it to what RabbitMQ 3.10.8, 4.0.5 and 4.3.6 do.
//
//	b := memory.New()
//	defer b.Close(ctx)
//	err := b.Declare(ctx, topology)
//
// In a synctest bubble, make the broker and close it there.
//
// # What it does
//
// Direct, topic, fanout and headers exchanges, the default exchange and the amq.*
// exchanges; alternate exchanges; CC and BCC; prefetch and turns among subscriptions;
// requeueing to the old place in classic queues and to the front of quorum queues; queue TTL
// and message expiration, which take effect at the head of the queue; dead-lettering with
// x-death, at most once, dropping cycles, or at least once; length limits with each overflow
// behaviour; queues that expire; of quorum queues delivery limits, 20 if the queue has none of
// its own, x-delivery-count and x-acquired-count, strict priorities, and delayed retries.
// Bodies have at most 16 MiB. [OnDrop] tells of what RabbitMQ would drop without a word.
//
// # What counts as a failed delivery
//
// A Nack does, with requeue or without. A message that is given back untouched, by Release or
// at the end of a subscription, does not; on 3.10 and 4.0 it does. On RabbitMQ what is
// unsettled when a connection is lost counts on every version; here nothing is lost.
//
// As on RabbitMQ 4.3, failures go along when a message is dead-lettered and count toward the
// limit of the next quorum queue: one that died of a limit of 20 is dropped, or dead-lettered
// again, at its first failure in a queue with the default limit.
//
// # What it does not
//
// Nothing outlives [Broker.Close]: durable, transient and quorum are the same. Exclusive
// and auto-delete are accepted and do nothing, as does x-max-priority. A message of priority 0
// has none. There are no users: a user id is not checked. What a quorum queue keeps, because
// its dead-letter target is missing or full, gets on as soon as it can, and holds up nothing
// else: RabbitMQ tries again after minutes, and stops at 32 messages. A prefetch may be
// larger than the protocol's 65,535. x-single-active-consumer, a delivery limit of -1, delayed
// retries of another type than failed, streams and exchange types of plugins are refused.
//
// A message that dies from queue to queue at once, without any time or consumer in
// between, is dropped when it has done so more often than there are queues.
//
// # Performance
//
// One mutex guards the broker; nothing is called and nobody waits while it is held.
// The broker has no goroutines, only timers. Publishing, delivering and settling take constant time
// whatever the length of the queue, and so does a requeue but for a logarithm of how
// many others came back.
package memory
