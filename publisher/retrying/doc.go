// Package retrying republishes messages that may not have arrived: kombu's
// producer.publish(retry=True), with confirms.
//
// Wrap the broker's publisher once and use it everywhere:
//
//	publisher, err := retrying.New(b.Publisher(), retrying.OnError(func(err error, next time.Duration) {
//		log.Printf("%v; next try in %v", err, next)
//	}))
//	...
//	err = publisher.Publish(ctx, to, envelope)
//
// # What is retried
//
// A message whose answer was lost ([processor.ErrIndeterminate]), and one that was refused
// ([processor.ErrRefused]), such as by a queue that is full or is changing its leader. Other errors
// are returned at once, unless [If] says otherwise. While there is no connection, or the broker
// blocks, broker/rabbitmq waits by itself and nothing is retried here.
//
// ctx bounds the whole, with its waits. Without a deadline, and without [Retries], Publish goes on
// until it succeeds. A retried message comes after those that were published meanwhile.
//
// A batch ([processor.PublishBatch]) is sent as one, and only its failed messages are retried, one
// after the other: they come after their successors.
//
// # The final error
//
// It wraps the last error, and says how many tries there were. If any try was of unknown outcome it
// wraps [processor.ErrIndeterminate] as well, whatever the last error: the message may be stored.
// So check for that first. If ctx ended, it wraps ctx's error and cause.
//
// # Duplicates
//
// Each try of unknown outcome may have stored a copy. So does a refusal when the message goes to
// several queues and only some are full: the others get a copy with each try. Bound the tries
// there. All copies have the same message id, and a message without one gets one before the first
// try; receivers drop duplicates by it, such as with processors/dedup and the inbox of
// processors/sqltx.
//
// # Where not to use it
//
// Do not use it as the publisher of processors/retry and processors/backoff: they retry by
// themselves for as long as their KeepTrying says, and then requeue the message. Nothing is lost
// with it, but a worker then holds its message for as long as this publisher tries, unless
// [Retries] bounds that.
//
// Outside publisher/tracing each try has a span of its own; inside it, one span covers all.
//
// # Performance
//
// A message that has an id and is accepted at once costs no allocation.
package retrying
