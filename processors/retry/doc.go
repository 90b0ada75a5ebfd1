// Package retry publishes a copy of a message that failed under a key for this attempt,
// as Swarrot's RetryProcessor does. The key leads to a queue whose TTL is the delay and
// whose dead-letter exchange leads back to the work queue:
//
//	retry.New(broker.Publisher(), "mail_retry_%attempt%",
//		retry.Exchange("retry"),
//		retry.Attempts(3),
//		retry.FinalKey("mail_parked"))
//
// publishes the first failure to mail_retry_1, the second to mail_retry_2, the third to
// mail_retry_3, and the fourth to mail_parked. Without a final key the fourth error
// comes back, wrapped in [ErrExhausted].
//
// # The message is never lost
//
// The layer returns nil only when the broker has confirmed the copy and has routed it.
// Otherwise it returns [processor.Requeue], and the ack layer outside gives the
// message back to its queue, whatever its own options say. A crash between the confirm
// and the ack leaves two copies with the same message id, never none.
//
// # Which errors are retried
//
// A plain error and [processor.RetryAfter], whose delay this processor cannot follow:
// its delays are the queues'. [processor.Reject] is never retried: the message is
// published to the final key at once if there is one, and otherwise the error comes
// back, for the broker to dead-letter. [processor.Drop] and [processor.Requeue] come
// back untouched. A message that was cut short because the context ended has not used
// up an attempt and is requeued.
//
// # The count
//
// Attempts are counted in the header [HeaderAttempts], which Swarrot uses too, so PHP
// and Go workers can share a queue. Senders write it as well: a count that is missing,
// negative or no number is 0, and one that is too large is the last.
package retry
