package republish

import (
	"math"

	"github.com/gowarren/warren/processor"
)

// HeaderAttempts holds the number of retries by key so far, in Swarrot too.
const HeaderAttempts = "swarrot_retry_attempts"

// HeaderBackoffs holds the number of delays by backoff so far. It is another header, so
// that both processors can be in one stack, each with its own limit.
const HeaderBackoffs = "warren-backoffs"

// CountHeaders are the headers with counts.
var CountHeaders = []string{HeaderAttempts, HeaderBackoffs}

// Retries is how often a message with these headers has been retried. A sender may write
// anything.
func Retries(h processor.Headers) int64 {
	keys, delays := count(h, HeaderAttempts), count(h, HeaderBackoffs)
	return keys + min(delays, math.MaxInt64-1-keys)
}

func count(h processor.Headers, name string) int64 {
	n, _ := h.Int64(name)
	return min(max(n, 0), math.MaxInt64-1)
}

// Attempt is the number of the attempt, from 1, of a message with these headers.
func Attempt(h processor.Headers) int64 { return Retries(h) + 1 }
