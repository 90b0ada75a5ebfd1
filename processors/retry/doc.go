// Package retry publishes a copy of a failed message under a key for this attempt, as Swarrot's
// RetryProcessor does. The key leads to a queue whose TTL is the delay and whose dead-letter
// exchange leads back to the work queue:
//
//	retry.New(b.Publisher(), "mail_retry_%attempt%",
//		retry.Exchange("retry"),
//		retry.Retries(3),
//		retry.ParkKey("mail_parked"))
//
// publishes the first failure to mail_retry_1, the second to mail_retry_2, the third to
// mail_retry_3, and the fourth to mail_parked. Without a park key the fourth error is returned,
// wrapped in [ErrExhausted].
//
// # The queues
//
// The layer says which it needs, if it is told the delays: a service declares them, and package broker/needs lists
// them for a stack:
//
//	retry.New(b.Publisher(), "mail_retry_%delay%",
//		retry.Delays(30*time.Second, 3*time.Minute),
//		retry.ParkKey("mail_parked"))
//
// [Topology] lists them without a stack, from the same key pattern and options. [Return] and [DeclaredByOthers]
// are for queues that exist already, such as PHP's.
//
// With %delay% in the pattern the queues are mail_retry_30s and mail_retry_3m, and a later schedule
// gets queues of its own. Without %delay%, as where PHP works on the same queues, the broker
// refuses a changed delay.
//
// # The message is never lost
//
// The original is acked only after the broker has confirmed and routed a copy. Otherwise the layer
// returns [processor.Requeue], and the ack layer outside requeues the message, whatever its own
// options say. A crash between the confirm and the ack leaves two copies with the same message id,
// never none.
//
// A republish that fails, because the retry queue is full or missing, is first retried for a while
// with the message in flight; see [KeepTrying]. Each requeue counts toward the delivery limit of a
// quorum queue, which is 20 by default from RabbitMQ 4.0 on, and a message over the limit is
// dropped if its queue has no dead-letter exchange, or one that leads back to it. The work queue of
// [Topology] parks it, or has a limit that is never reached. A queue declared by hand needs one or
// the other.
//
// A copy that the broker could never take, because it is over a size limit or has a header that
// cannot be sent, is parked under the park key, if there is one. The returned error says so; the
// original is acked.
//
// If the handler has settled the message itself and then fails, nothing is republished: the error
// is returned, wrapped in [processor.ErrSettled].
//
// # Which errors are retried
//
// A plain error and [processor.RetryAfter], whose delay this layer cannot follow: its delays are
// the queues'. For that use processors/backoff. [processor.Reject], and an error for which [If] is
// false, are never retried: the message is published to the park key at once if there is one;
// otherwise the error is returned, for the broker to dead-letter. [processor.Drop] and
// [processor.Requeue] are returned unchanged. A message that was cut short
// ([processor.CutShort]) has used up no attempt and is requeued.
//
// # The count
//
// Attempts are counted in the header [HeaderAttempts], which Swarrot uses too, so PHP and Go
// workers can share a queue. Senders can write it: a missing, negative or non-numeric count is 0, a
// whole float counts, and a count that is too large counts as the last. A stack with two retry layers
// needs two counts; see [Counter].
package retry
