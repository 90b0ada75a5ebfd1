package republish

import (
	"math"
	"time"

	"github.com/gowarren/warren/internal/excerpt"
	"github.com/gowarren/warren/processor"
)

// The headers of ours. They are flat and small, so that libraries in other languages
// can read them.
const (
	HeaderOriginalExchange = "warren-original-exchange"
	HeaderOriginalKey      = "warren-original-routing-key"
	HeaderError            = "warren-error"
	HeaderErrorType        = "warren-error-type"
	HeaderFailedAt         = "warren-failed-at"
)

// HeaderAttempts holds the number of retries so far, in Swarrot too.
const HeaderAttempts = "swarrot_retry_attempts"

// Attempt is the number of the attempt that a message with these headers is, from 1. A
// sender may write anything.
func Attempt(h processor.Headers) int64 {
	n, _ := h.Int64(HeaderAttempts)
	return min(max(n, 0), math.MaxInt64-1) + 1
}

// Most bytes of a header of ours.
const (
	maxError     = 512
	maxErrorType = 128
)

// SetOrigin records where msg was first published to. It is called at the first
// failure, when the count of retries is 0, and overwrites what a sender may have claimed.
// The count is a sender's claim too: one who writes a count of 1 keeps a forged origin.
// It is for people to read, and nothing may be routed by it.
func SetOrigin(h processor.Headers, o processor.Origin) {
	h[HeaderOriginalExchange] = o.Exchange
	h[HeaderOriginalKey] = o.RoutingKey
}

// Failure returns err's text and type, each cut to a bounded size.
func Failure(err error) (text, kind string) {
	return excerpt.Error(err, maxError), excerpt.Of(errorType(err), maxErrorType)
}

// SetFailure records why and when a message was given up.
func SetFailure(h processor.Headers, err error, at time.Time) {
	h[HeaderError], h[HeaderErrorType] = Failure(err)
	h[HeaderFailedAt] = at.UTC().Truncate(time.Second)
}
