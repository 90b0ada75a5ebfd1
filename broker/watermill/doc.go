// Package watermill joins Warren and Watermill: a stack of Warren's processors in a router of
// Watermill's ([Middleware], [Handler], [HandlerFunc]), any broker that Watermill has under a
// consumer and its stack ([NewSource], [NewPublisher]), and Watermill's middlewares inside a
// stack ([FromMiddleware]).
//
//	publisher, err := watermill.NewPublisher(pub)
//	...
//	retries, err := watermill.Middleware(
//		stack.New(retry.New(publisher, "mail.%attempt%", retry.ParkKey("mail.dead")), recovery.New()),
//		watermill.Poison(pub, "mail.rejected"))
//	router.AddConsumerHandler("mail", "mail", sub, send).AddMiddleware(retries)
//
// For RabbitMQ there is more: package pubsub is a subscriber and a publisher for routers, on
// broker/rabbitmq; package marshaler lets applications on watermill-amqp read every message.
//
// # What becomes of a message in a router
//
// A router acks a message whose handler returns nil, when it has published what that produced,
// and nacks it otherwise. So a stack needs no processors/ack there. What it has settled counts:
//
//	the stack                                    the router gets          the message
//	returns nil, or acks                         nil                      acked
//	returns Drop, or acks and returns an error   nil; the error is logged acked
//	returns Reject, or nacks without requeue     what DeadLetter returns  acked if that is nil, else nacked
//	returns any other error                      the error                nacked
//	nacks with requeue                           the error, or one        nacked
//	panics                                       the panic                nacked
//
// With processors/ack, a failure that nothing retries is nacked without requeue, and goes to the
// [DeadLetter]; with its RequeueOnError, and without that layer, it is nacked.
//
// A router keeps no order by key: consumer.OrderBy does, for a consumer on [NewSource].
//
// What Watermill calls a nack is a redelivery, mostly at once: a message that keeps failing is
// a hot loop, unless a layer ends it. Requeue, Release and RetryAfter are failures like any
// other here; only processors/backoff keeps a delay. [processor.ErrStop] and
// [processor.Stop] are for [OnStop].
//
// Nothing is settled before the router does so. A middleware outside the stack, such as
// Watermill's Retry, may call it again, and each call is a new attempt with a message that
// nobody has settled.
//
// # What Watermill does not say
//
// It has topics, and no exchanges, queues or dead-lettering. It does not mark what is
// redelivered, does not say whether a topic has subscribers, and publishes without a context
// of its own. A retry key is a topic, and nothing waits there: whoever subscribes to it gets
// the copy at once, and if nobody does it may be gone.
//
// What a broker loses by its settings Warren cannot keep. watermill-nats acks what is in hand
// when it is closed unless it is told nats.ManualAck: examples/watermill-nats has settings for
// JetStream that lose nothing.
package watermill
