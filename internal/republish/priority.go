package republish

import (
	"context"
	"math"

	"github.com/gowarren/warren/processor"
)

// HeaderOriginalPriority is the priority of a waiting copy. A broker in whose delay queues
// urgent messages hold up all others gets the copy without the property.
const HeaderOriginalPriority = "warren-original-priority"

// SavePriority writes the priority of e, a waiting copy, into its headers.
func SavePriority(e processor.Envelope) {
	if e.Priority > 0 || e.PriorityZero {
		e.Headers[HeaderOriginalPriority] = int64(e.Priority)
	}
}

// RestorePriority gives e the priority that it had before it had to wait. The header is a sender's
// claim, as the property is.
func RestorePriority(e *processor.Envelope) {
	if e.Priority > 0 || e.PriorityZero {
		return
	}
	if n, ok := e.Headers.Int64(HeaderOriginalPriority); ok && n >= 0 && n <= math.MaxUint8 {
		e.Priority, e.PriorityZero = uint8(n), n == 0
	}
}

type waiting struct{}

// Waiting returns a context for publishing a copy into a queue where it waits. The mark is on the
// context and not on the message, to pass the publishers between here and the broker's.
func Waiting(ctx context.Context) context.Context { return context.WithValue(ctx, waiting{}, true) }

// IsWaiting reports whether ctx is from [Waiting].
func IsWaiting(ctx context.Context) bool { return ctx.Value(waiting{}) != nil }
