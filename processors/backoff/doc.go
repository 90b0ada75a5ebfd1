// Package backoff gives a message that failed back to its queue later, by a schedule of
// delays, as nameko-amqp-retry's Backoff does:
//
//	backoff.New(broker.Publisher(), "mail",
//		backoff.Schedule(backoff.List(30*time.Second, 3*time.Minute)),
//		backoff.Retries(5),
//		backoff.Park(processor.Destination{RoutingKey: "mail_parked"}))
//
// delays the first failure by about 30 seconds and the next four by about 3 minutes, and
// parks the sixth. Without a park destination the sixth error comes back, wrapped in
// [ErrExpired], and the message is nacked: dead-lettered, or dropped by a queue that has no
// dead-letter exchange.
//
// The copy waits in the broker, in queues that package broker/delay makes: [Topology] lists
// them, and the work queue with them, from the same options:
//
//	topology, err := backoff.Topology(broker.Queue{Name: "mail"}, sameOptions...)
//	...
//	err = b.Declare(ctx, topology)
//
// Where the schedule is fixed and [Jitter] is 0 there is one queue for each delay, and
// otherwise a ladder of queues that all services share; see [Strategy].
//
// # The message is never lost
//
// The layer lets the original be acked only when the broker has confirmed a copy and has
// routed it. Otherwise it returns [processor.Requeue], and the ack layer outside gives the
// message back to its queue, whatever its own options say. A crash between the confirm and
// the ack leaves two copies with the same message id, never none. What is said about failing
// republishes in processors/retry holds here as well.
//
// Set a [Park] destination. Without one, a message whose retries are used up is rejected, and
// dropped by a queue that has no dead-letter exchange; and one whose copy is over a size limit
// goes back to its queue again and again, and holds up a worker each time.
//
// If the handler has settled the message itself and then fails, nothing is published: the
// error comes back, wrapped in [processor.ErrSettled].
//
// # Which errors are retried
//
// Every plain error, unless [For] or [If] say which; and always what asks for it: [Again],
// which takes the next delay of the schedule, and [processor.RetryAfter] with a delay of its
// own. Errors can have schedules and limits of their own; see [Policy].
//
// With [delay.Steps], a delay that a handler asks for becomes the next longer one of the
// schedule. One that is longer than the longest there is waits for that one, and the layer
// returns an error that is [delay.ErrTooLong] and drops the original, so that the log shows
// it; the copy is out.
//
// [processor.Reject], and an error that no policy is for, are never retried: the message is
// published to the park destination at once if there is one, and otherwise the error comes
// back, for an outer layer or for the broker to dead-letter.
// [processor.Drop], [processor.Requeue] and [processor.Release] come back untouched. A
// message that was cut short because the context ended has not used up a retry and is
// requeued.
//
// # The count
//
// Retries are counted in the header [HeaderBackoffs], and by what the delays find in x-death
// if that is more, as it is for messages that a Python service has delayed. All policies
// share the count. It is not that of processors/retry: both layers can be in one stack, each
// with its own. What has used up its retries here keeps its count, and is not delayed again
// when the layer outside retries it.
//
// Senders write headers too: a count that is missing, negative or no number is 0, and one
// that is too large is the last.
//
// # Where it shows
//
// A retry looks like success to the layers outside. What failed, the number of the retry,
// its limit, its delay and when it is due are in the log ([Logger]) and in the [Event] of
// [OnBackoff], and the number and the delay are in the error of a copy that was not sent. On
// the parked copy, the header warren-error says how many retries there were and how long they
// took.
package backoff
