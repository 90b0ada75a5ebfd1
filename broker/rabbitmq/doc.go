// Package rabbitmq is the broker that RabbitMQ is: sources and a publisher over
// connections that failover keeps up.
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
// It publishes on one connection and consumes on another: a broker that is low on
// memory or disk stops reading from connections that publish, and must not stop the
// acks as well.
//
// # Generations
//
// A channel that is lost is replaced by a new one, a new generation, which sets its prefetch
// and its confirms. The topology is declared again before, once for all channels of a new
// connection, and when the broker has closed a channel. A delivery belongs to the
// generation it came from. Its tag means another message on the next one, so settling
// it there would remove a message that nobody has processed: a settlement that comes
// too late is [processor.ErrStale], and is never sent. The context of a delivery ends with
// its generation, for the reason that is logged.
//
// # Acks
//
// Acks travel together: up to 64, or a quarter of the prefetch, or those of 2 ms, with one frame.
// So Ack returns before the broker has it, and when the process or the connection ends in this
// moment, those messages are delivered again: at most half the prefetch. A slow message holds up nobody's ack. Rejecting and
// releasing are sent at once. See [AckSingly].
//
// # Publishing
//
// Every message is mandatory and confirmed, and persistent unless it asks otherwise.
// Publish returns nil when the broker has the message and has routed it. Many
// goroutines share one channel, each waiting for its own confirm.
//
// What goes wrong is one of the errors of [processor.Publisher]:
//
//   - An exchange or a queue that is missing is [processor.ErrUnroutable]. The exchange
//     is looked up before the first publish to it, because publishing to a missing one
//     closes the channel and leaves every message on it in doubt.
//   - A nack is [processor.ErrRefused]. A channel may go on nacking for ever after a
//     quorum queue has moved, so it is replaced, at most every few seconds.
//   - A user id that is not the connection's is [processor.ErrForbidden], here, since the
//     broker would close the channel, and so is a direct reply-to. The broker does close the
//     channel of a user who publishes to an exchange that is internal, or to one or a topic
//     that he may not write to: that message has the same error, and all that waited on the
//     channel are in doubt. It does so once on each connection: from then on such a message
//     is refused here, but for one every ten seconds, which is tried on a channel of its own.
//   - A channel or connection that is lost before the confirm, or a context that ends
//     before it, is [processor.ErrIndeterminate]. Publishing again may store a second
//     copy.
//   - A broker that blocks is waited for until the context ends: [processor.ErrBlocked].
//   - What is over a size limit is refused here, since the broker would close the whole
//     connection, or for a body the channel: [processor.ErrTooLarge]. The most that the
//     broker takes of a body, max_message_size, is learnt on each connection: a size that it
//     has not had yet is asked for first, on a channel of its own, with a body of zeros that
//     no queue takes. The sizes asked for double, so it is seldom.
//
// A quorum queue that has lost the majority of its nodes confirms nothing, and RabbitMQ 3.10
// then answers nothing else on the channel either, for 10 s or until it is back: publishing to
// other queues waits as well. Give a context a deadline, and a queue that must not wait for
// another's nodes a Broker of its own.
//
// # Nodes and queues that are down
//
// A classic queue lives on one node. While that is down, RabbitMQ 4.x answers nothing about the
// queue for 78 s: whoever consumes from it waits until it is back, publishes to it are nacked,
// and the other queues go on; [Broker.Health] names it ([ErrQueueDown]). A node that is
// cut off from the majority of its cluster does not pause from RabbitMQ 4.2 on; it is left after
// 20 s for one that is not: [failover.LeaveCutOff].
//
// # Verifying
//
// Package verify compares what is there with a topology, without changing anything.
package rabbitmq
