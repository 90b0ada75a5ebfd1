// Package pubsub offers RabbitMQ, and any other [broker.Broker], to applications on Watermill: a
// [Subscriber] and a [Publisher] for its router.
//
//	b, err := rabbitmq.Open(ctx, urls)
//	...
//	sub, err := pubsub.NewSubscriber(b, pubsub.DurablePubSub("mail"), pubsub.InFlight(20))
//	pub, err := pubsub.NewPublisher(b, pubsub.DurablePubSub(""))
//	router.AddHandler("mail", "orders", sub, "receipts", pub, handle)
//
// # Compared with watermill-amqp
//
// Exchanges, queues, the header of the UUID and those of the metadata are watermill-amqp's, so both
// can publish to and consume from one broker at the same time, such as during a migration. The
// differences:
//
//   - The broker has several URLs, and continues on another node when one is lost.
//   - A subscription may have many messages in flight; see [InFlight].
//   - Headers of every type arrive: as text in the metadata, and with their types again when the
//     message is republished. In watermill-amqp a message with a header that is not text blocks
//     its queue; every dead-lettered message has one. The properties survive too.
//   - A publish is confirmed and mandatory: an unroutable message is an error.
//   - Close waits for the handlers, and their acks count. A router's publisher is still open for
//     what they produce.
//   - A queue that is deleted is declared again, and no empty message is delivered for it.
//
// # Outcomes
//
//	acked                             the broker forgets it
//	nacked                            it is requeued at once; its place in flight stays empty
//	                                  for a moment, see NackPause
//	its channel is lost               its context ends, and the broker redelivers it; the place
//	                                  is free once it was acked or nacked
//	Close, and acked in time          the broker forgets it
//	Close, and not settled in time    its context ends; it is requeued within a second
//	Close, and not delivered yet      it is requeued, to where it was
//
// A message that always fails is redelivered without end: neither Watermill nor RabbitMQ limits
// that, except for quorum queues. [github.com/gowarren/warren/broker/watermill.Middleware] with a
// retry layer does. Declare its queues with retry.Topology: a [Publisher] alone would declare them
// without their delay.
//
// # What a copy keeps
//
// A message republished by a handler or a middleware such as PoisonQueue is a copy. It keeps its
// headers and properties, except those that would harm it: the expiration and the user id are saved
// in headers of ours, x-death, CC, BCC and the like are left out. Metadata may be changed: a header
// that was a number is one again if its text is a number.
package pubsub
