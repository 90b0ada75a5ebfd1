// Package watermill joins Warren and Watermill. It runs a stack of Warren's processors in a
// Watermill router ([Middleware], [Handler], [HandlerFunc]), a consumer on any broker that
// Watermill supports ([NewSource], [NewPublisher]), and Watermill's middlewares inside a stack
// ([FromMiddleware]).
//
//	publisher, err := watermill.NewPublisher(pub)
//	...
//	retries, err := watermill.Middleware(
//		stack.New(retry.New(publisher, "mail.%attempt%", retry.ParkKey("mail.dead")), recovery.New()),
//		watermill.Poison(pub, "mail.rejected"))
//	router.AddConsumerHandler("mail", "mail", sub, send).AddMiddleware(retries)
//
// For RabbitMQ, package pubsub is a subscriber and a publisher for routers, on broker/rabbitmq, and
// package marshaler lets applications on watermill-amqp read every message.
//
// # Outcomes in a router
//
// A router acks a message whose handler returns nil, once it has published what that produced, and
// nacks it otherwise. So a stack needs no processors/ack there. What it has settled counts:
//
//	the stack                                    the router gets          the message
//	returns nil, or acks                         nil                      acked
//	returns Drop, or acks and returns an error   nil; the error is logged acked
//	returns Reject, or nacks without requeue     what DeadLetter returns  acked if that is nil, else nacked
//	returns any other error                      the error                nacked
//	nacks with requeue                           the error, or one        nacked
//	panics                                       the panic                nacked
//
// With processors/ack, a failure that no layer retries is nacked without requeue, and goes to the
// [DeadLetter]; with its RequeueOnError, and without that layer, it is nacked.
//
// A router keeps no order by key: consumer.OrderBy does, for a consumer on [NewSource].
//
// Watermill redelivers a nacked message, mostly at once: one that keeps failing is a hot loop,
// unless a layer ends it. Requeue, Release and RetryAfter are failures like any other here; only
// processors/backoff delays. [OnStop] handles [processor.ErrStop] and [processor.Stop].
//
// The stack settles nothing before the router does. A middleware outside the stack, such as
// Watermill's Retry, may call it again, and each call is a new attempt with an unsettled message.
//
// # What Watermill lacks
//
// It has topics, but no exchanges, queues or dead-lettering. It does not mark redelivered messages,
// does not say whether a topic has subscribers, and publishes without a context of its own. A retry
// key is a topic, and nothing waits there: a subscriber of it gets the copy at once, and without
// one the copy may be lost.
//
// Warren cannot keep what a broker loses by its settings. When it is closed, watermill-nats acks
// messages in flight unless nats.ManualAck is set: examples/watermill-nats has settings for
// JetStream that lose nothing.
package watermill
