// Package instantretry calls the inner layers again in place when they fail, as Swarrot's
// InstantRetryProcessor does. It is for what mends itself within moments, such as a
// deadlock in a database or a connection that was just replaced:
//
//	instantretry.New(
//		instantretry.Retries(4),
//		instantretry.Delay(100*time.Millisecond),
//		instantretry.DoubleUpTo(2*time.Second))
//
// The message stays in hand and its worker waits, so the delays together must stay far
// below the broker's consumer timeout, which is 30 minutes by default, and each one keeps
// other messages waiting. For longer delays use processors/retry, which waits in the
// broker, outside this layer:
//
//	stack.New(ack.New(), retry.New(...), instantretry.New(), recovery.New())
//
// Put it inside ack, retry and catch, which a stack sees to, and outside
// recovery, or a panic is not tried again. A timeout inside bounds each try, one outside
// all of them together.
//
// # What is tried again
//
// A plain error, and [processor.RetryAfter] with a delay that is not longer than the pause
// would be. A longer one comes back at once, for a layer that can wait in the broker. So
// do [processor.Reject], [processor.Requeue], [processor.Drop], [processor.Release] and
// every wish to stop.
//
// Nothing is tried again once the message is settled, or when its context has ended, also
// during a pause: the error of the last try then comes back, and outer layers see that
// the message was cut short.
//
// The error that comes back after several tries says how many there were. It wraps the
// last error, whose decision stands; those before it are in the log.
package instantretry
