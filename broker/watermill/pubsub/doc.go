// Package pubsub is RabbitMQ, and any other [broker.Broker], for applications on Watermill: a
// [Subscriber] and a [Publisher] for its router.
//
//	b, err := rabbitmq.Open(ctx, urls)
//	...
//	sub, err := pubsub.NewSubscriber(b, pubsub.DurablePubSub("mail"), pubsub.InFlight(20))
//	pub, err := pubsub.NewPublisher(b, pubsub.DurablePubSub(""))
//	router.AddHandler("mail", "orders", sub, "receipts", pub, handle)
//
// # Beside watermill-amqp
//
// Exchanges, queues, the header of the UUID and those of the metadata are watermill-amqp's, so
// both can publish to and consume from one broker at the same time, as during a migration. What
// is different:
//
//   - The broker has several URLs, and goes on with another node when one is lost.
//   - A subscription may have many messages in flight; see [InFlight].
//   - Headers of every type arrive: as text in the metadata, and with their types again when
//     the message is published further. watermill-amqp nacks a message with a header that is
//     not text, for ever; a message that was dead-lettered has one. The properties survive too.
//   - A publish is confirmed and mandatory: what no queue takes is an error.
//   - Close waits for the handlers, and their acks count. A router's publisher is still open
//     for what they produce.
//   - A queue that is deleted is declared again, and nothing is handed out for it.
//
// # What becomes of a message
//
//	acked                             the broker forgets it
//	nacked                            it goes back to its queue at once; the place that it had
//	                                  stays empty for a moment, see NackPause
//	its channel is lost               its context ends, and the broker delivers it again; the
//	                                  place is free when it was acked or nacked
//	Close, and acked in time          the broker forgets it
//	Close, and not settled in time    its context ends; it goes back to its queue a second later
//	Close, and not handed out yet     it goes back to its queue, to where it was
//
// A message that fails for good comes back for ever: neither Watermill nor RabbitMQ limits
// that, but for quorum queues. [github.com/gowarren/warren/broker/watermill.Middleware] with a
// retry layer does. Its queues are to be declared, with retry.Topology: a [Publisher] alone
// would declare them without their delay.
//
// # What a copy keeps
//
// A message that is published again, by a handler or a middleware such as PoisonQueue, is a
// copy. It keeps its headers and properties, but for those that would harm it: the expiration
// and the user id are saved in headers of ours, x-death, CC, BCC and the like are left out.
// Metadata may be changed: a header that was a number is one again if its text is a number.
package pubsub
