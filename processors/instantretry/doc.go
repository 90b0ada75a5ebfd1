// Package instantretry calls the inner layers again in place when they fail, as Swarrot's
// InstantRetryProcessor does. It is for faults that pass within moments, such as a deadlock in a
// database or a connection that was just replaced:
//
//	instantretry.New(
//		instantretry.Retries(4),
//		instantretry.Delay(100*time.Millisecond),
//		instantretry.DoubleUpTo(2*time.Second))
//
// The message stays in flight and its worker waits, so the delays together must stay far below the
// broker's consumer timeout, which is 30 minutes by default, and each one keeps other messages
// waiting. For longer delays put processors/retry, which waits in the broker, outside this layer:
//
//	stack.New(ack.New(), retry.New(...), instantretry.New(), recovery.New())
//
// Put it inside ack, retry and catch, which a stack enforces, and outside recovery, or a panic is
// not retried. A timeout inside bounds each try, one outside all of them together.
//
// # What is retried
//
// A plain error, and [processor.RetryAfter] with a delay that is not longer than the pause would
// be. A longer one is returned at once, for a layer that can wait in the broker. So are
// [processor.Reject], [processor.Requeue], [processor.Drop], [processor.Release] and every stop.
//
// Nothing is retried once the message is settled or its context has ended, also during a pause: the
// error of the last try is then returned, and outer layers see whether the message was cut short.
//
// The error returned after several tries says how many there were. It wraps the last error, whose
// decision stands; the earlier ones are in the log.
package instantretry
