// Package retrying publishes again what may not have arrived: kombu's
// producer.publish(retry=True), with confirms.
//
// Wrap the broker's publisher once and give it to all that publish:
//
//	publisher, err := retrying.New(broker.Publisher(), retrying.OnError(func(err error, next time.Duration) {
//		log.Printf("%v; next try in %v", err, next)
//	}))
//	...
//	err = publisher.Publish(ctx, to, envelope)
//
// # What is tried again
//
// A message whose answer was lost ([processor.ErrIndeterminate]), and one that was refused
// ([processor.ErrRefused]), as by a queue that is full or that is changing its leader. Other
// errors come back at once, unless [If] says otherwise. While there is no connection, or the
// broker blocks, broker/rabbitmq waits by itself and nothing is tried again here.
//
// ctx bounds the whole, waits included. Without a deadline, and without [Retries], Publish
// goes on until it succeeds. A message that is tried again comes after those that were
// published meanwhile.
//
// A batch ([processor.PublishBatch]) is sent as one, and only what failed of it is tried again, one
// message after the other: those come after their successors.
//
// # The error at the end
//
// It wraps the last one, and says how many tries there were. If any of them was of unknown
// outcome it wraps [processor.ErrIndeterminate] as well, whatever the last one was: the
// message may be stored. So ask for that first. If ctx ended the trying, it wraps ctx's error
// and cause.
//
// # Duplicates
//
// Each try of unknown outcome may have stored a copy. So does a refusal where the message
// goes to several queues and only some are full: the others get a copy with each try. Bound
// the tries there. All copies have the same message id, and a message that has none gets one
// before the first try, by which receivers drop the second: processors/dedup and the inbox of
// processors/sqltx do.
//
// # Where not to use it
//
// Not in the publisher of processors/retry and processors/backoff: they try again by
// themselves for as long as their KeepTrying says, and then give the message back. Nothing is
// lost if it is there: but a worker then holds its message for as long as this publisher
// tries, unless [Retries] bounds that.
//
// Outside publisher/tracing each try has a span of its own; inside it, one span has them all.
//
// # Performance
//
// A message that has an id and is taken at once costs no allocation.
package retrying
