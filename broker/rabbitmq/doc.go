// Package rabbitmq connects consumers and publishers to RabbitMQ, over connections that package
// failover maintains.
//
//	b, err := rabbitmq.Open(ctx, []string{"amqp://guest:guest@localhost:5672/"})
//	...
//	defer b.Close(ctx)
//	err = b.Declare(ctx, topology)
//	c, err := consumer.New(b.Source("mail"), pipeline)
//	...
//	err = c.Run(ctx)
//
// # Two connections
//
// It publishes on one connection and consumes on another: a broker that is low on memory or disk
// stops reading from connections that publish, and acks must still get through.
//
// # Generations
//
// A lost channel is replaced by a new one, a new generation, with its own prefetch and confirms.
// Before that the topology is declared again, once for all channels of a new connection, and when
// the broker has closed a channel. A delivery belongs to the generation it came from. On another
// channel its tag means another message, and settling it there would remove a message that was
// never processed: a settlement that comes too late is [processor.ErrStale], and is never sent. The
// context of a delivery ends with its generation, with the logged reason as its cause.
//
// # Acks
//
// Acks travel together: up to 64, or a quarter of the prefetch, or those of 2 ms, in one frame. So
// Ack returns before the broker has it. When the process or the connection ends at that moment,
// those messages are redelivered: at most half the prefetch. A slow message delays no other ack.
// Rejects and releases are sent at once. See [AckSingly].
//
// # Publishing
//
// Every message is mandatory and confirmed, and persistent unless it asks otherwise.
// Publish returns nil when the broker has the message and has routed it. Many
// goroutines share one channel, each waiting for its own confirm.
//
// What goes wrong is one of the errors of [processor.Publisher]:
//
//   - An exchange or a queue that is missing is [processor.ErrUnroutable]. Where it is no fault
//     that nobody takes a message, as for an event without subscribers, look for that error and go
//     on, or give the exchange an Alternate. The exchange
//     is looked up before the first publish to it, because publishing to a missing one
//     closes the channel and leaves every message on it in doubt.
//   - A nack is [processor.ErrRefused]. A channel may go on nacking without end after a quorum
//     queue has moved, so it is replaced, at most every few seconds.
//   - A user id that is not the connection's is [processor.ErrForbidden], and so is a direct
//     reply-to. Both are refused here, since the broker would close the channel. The broker does
//     close the channel of a user who publishes to an internal exchange, or to an exchange or topic
//     without write permission: that message has the same error, and all others waiting on the
//     channel are in doubt. This happens once on each connection. From then on such messages are
//     refused here, except one every ten seconds, which is tried on a channel of its own.
//   - A channel or connection that is lost before the confirm, or a context that ends before it, is
//     [processor.ErrIndeterminate]. Publishing again may store a second copy.
//   - While the broker blocks, Publish waits until its context ends: [processor.ErrBlocked].
//   - A message over a size limit is refused here: [processor.ErrTooLarge]. The broker would close
//     the whole connection, or for a body the channel. The largest body that it takes,
//     max_message_size, is learnt on each connection: a size that it has not had yet is first tried
//     on a channel of its own, with a body of zeros that no queue takes. The sizes tried double, so
//     this is rare.
//
// Each message has a header more, warren-tag, short text, by which a returned message is found. This
// package leaves it out of what it receives. Readers in other languages see it, and may ignore it.
//
// A queue that hangs, or has lost the majority of its nodes, confirms nothing. After a second it gets
// one message at a time, until one is answered, and the others go on. A publish that waits for that
// is [processor.ErrBlocked] when its context ends, and [Broker.Health] names the destination. The error
// is [processor.ErrSilent] as well, also of the one message, which is [processor.ErrIndeterminate]. Such a
// queue may stop the channel on which it got its first message: then what waits there is
// [processor.ErrIndeterminate] within three seconds. Give a context a deadline.
//
// # Nodes and queues that are down
//
// A classic queue lives on one node. While that is down, RabbitMQ 4.x answers nothing about the
// queue for 78 s: its consumers wait until it is back, publishes to it are nacked, and the other
// queues go on. [Broker.Health] names it ([ErrQueueDown]). From RabbitMQ 4.2 on, a node that is cut
// off from the majority of its cluster does not pause; it is left after 20 s if another node has
// the majority: [failover.LeaveCutOff].
//
// # Verifying
//
// Package verify compares the broker's state with a topology, without changing anything.
package rabbitmq
