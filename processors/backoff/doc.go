// Package backoff delivers a failed message to its queue again later, by a schedule of delays, as
// nameko-amqp-retry's Backoff does:
//
//	backoff.New(b.Publisher(), "mail",
//		backoff.Schedule(backoff.List(30*time.Second, 3*time.Minute)),
//		backoff.Retries(5),
//		backoff.Park(processor.Destination{RoutingKey: "mail_parked"}))
//
// delays the first failure by about 30 seconds and the next four by about 3 minutes, and parks the
// sixth. Without a park destination the sixth error is returned, wrapped in [ErrExpired], and the
// message is nacked: dead-lettered, or dropped by a queue that has no dead-letter exchange.
//
// The copy waits in the broker, in queues made by package broker/delay. The layer says which: a service
// declares them and the work queue, and package broker/needs lists them for a stack. [Topology] does so without one, from the
// same options.
//
// If the schedule is fixed and [Jitter] is 0 there is one queue for each delay, otherwise a ladder
// of queues that all services share; see [Strategy].
//
// # The message is never lost
//
// The original is acked only after the broker has confirmed and routed a copy. Otherwise the layer
// returns [processor.Requeue], and the ack layer outside requeues the message, whatever its own
// options say. A crash between the confirm and the ack leaves two copies with the same message id,
// never none. What processors/retry says about failing republishes holds here as well.
//
// Set a [Park] destination. Without one, a message whose retries are used up is rejected, and
// dropped by a queue that has no dead-letter exchange; and one whose copy is over a size limit is
// requeued again and again, and blocks a worker each time.
//
// If the handler has settled the message itself and then fails, nothing is published: the error is
// returned, wrapped in [processor.ErrSettled].
//
// # Which errors are retried
//
// Every plain error, unless [For] or [If] select some; and always a handler's request: [Again],
// which takes the next delay of the schedule, and [processor.RetryAfter] with a delay of its own.
// Errors can have schedules and limits of their own; see [Policy].
//
// With [delay.Steps], a delay that a handler requests becomes the next longer one of the schedule.
// One longer than the longest becomes the longest, and the layer returns an error that is
// [delay.ErrTooLong] and drops the original, so that it is logged; the copy has been published.
//
// [processor.Reject], and an error that no policy covers, are never retried: the message is
// published to the park destination at once if there is one; otherwise the error is returned, for
// an outer layer or for the broker to dead-letter. [processor.Drop], [processor.Requeue] and
// [processor.Release] are returned unchanged. A message that was cut short
// ([processor.CutShort]) has used up no retry and is requeued.
//
// # The count
//
// Retries are counted in the header [HeaderBackoffs], or by what the delays find in x-death if that
// is more, as it is for messages that a Python service has delayed. Each policy also has a count of
// its own, so that a message which had to wait for a busy server often still has all its retries
// when it fails; see [Policy].
// The count of processors/retry is separate: both layers can be in one stack. A message that has
// used up its retries here keeps its count, and is not delayed again when an outer layer retries
// it.
//
// Senders write headers too: a missing, negative or non-numeric count is 0, a whole float counts, and
// a count that is too large counts as the last.
//
// # Logs and events
//
// A retry looks like success to the outer layers. The log ([Logger]) and the [Event] of [OnBackoff]
// show the error, the number of the retry, its limit, its delay and when it is due. The error of a
// copy that was not sent has the number and the delay. On the parked copy, the header warren-error
// says how many retries there were and how long they took.
package backoff
