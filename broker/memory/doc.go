// Package memory is a message broker in the process that uses it, with the semantics
// of RabbitMQ 3.10. Demos and tests run on it, with nothing to install, and with
// testing/synctest a schedule of a day in milliseconds. broker/brokertest holds it to
// what RabbitMQ does.
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
// requeueing to the old place; queue TTL and message expiration, which take effect at
// the head of the queue; dead-lettering with x-death, at most once, dropping cycles, or at
// least once; delivery limits of quorum queues; length limits with each overflow
// behaviour; queues that expire. [OnDrop] tells of what RabbitMQ would drop without a word.
//
// # What it does not
//
// Nothing outlives [Broker.Close]: durable, transient and quorum are the same. Exclusive
// and auto-delete are accepted and do nothing, as do x-max-priority and the priority of
// messages. There are no users: a user id is not checked. What a quorum queue keeps, because
// its dead-letter target is missing or full, gets on as soon as it can, and holds up nothing
// else: RabbitMQ tries again after minutes, and stops at 32 messages. A prefetch may be
// larger than the protocol's 65,535. x-single-active-consumer, streams and exchange
// types of plugins are refused.
//
// A message that is given back untouched, by Release or at the end of a subscription,
// does not count toward a delivery limit: so it is from RabbitMQ 4.3 on, where 3.10
// counts it.
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
