package republish

import (
	"maps"
	"math"
	"strconv"
	"strings"

	"github.com/gowarren/warren/processor"
)

// HeaderAttempts holds the number of retries by key so far, in Swarrot too.
const HeaderAttempts = "swarrot_retry_attempts"

// HeaderBackoffs holds the number of delays by backoff so far. It is another header, so
// that both processors can be in one stack, each with its own limit.
const HeaderBackoffs = "warren-backoffs"

// CounterPrefix begins the headers with the counts of retry layers that have a counter of their own.
const CounterPrefix = "warren-retries-"

// HeaderPolicy is the header with the delays by the nth policy of backoff, from 1. HeaderBackoffs
// counts them too.
func HeaderPolicy(n int) string { return HeaderBackoffs + "-" + strconv.Itoa(n) }

// ForgetCounts removes the counts from h.
func ForgetCounts(h processor.Headers) {
	maps.DeleteFunc(h, func(name string, _ any) bool {
		return name == HeaderAttempts || name == HeaderBackoffs ||
			strings.HasPrefix(name, HeaderBackoffs+"-") || strings.HasPrefix(name, CounterPrefix)
	})
}

// Retries is how often a message with these headers has been retried. A sender may write
// anything.
func Retries(h processor.Headers) int64 {
	sum := Count(h, HeaderAttempts)
	more := func(n int64) { sum += min(n, math.MaxInt64-1-sum) }
	more(Count(h, HeaderBackoffs))
	for name := range h {
		if strings.HasPrefix(name, CounterPrefix) {
			more(Count(h, name))
		}
	}
	return sum
}

// Count is the count in the header name; 0 if it is absent, negative or no whole number. A float
// counts if it is whole: PHP's Swarrot goes on with floats once it was given one. Other headers of
// the same value are no counts, so [processor.Headers.Int64] does not read floats.
func Count(h processor.Headers, name string) int64 {
	n, _ := h.Int64(name)
	switch v := h[name].(type) {
	case float32:
		n = whole(float64(v))
	case float64:
		n = whole(v)
	}
	return min(max(n, 0), math.MaxInt64-1)
}

// whole is v as an integer, 0 if it is none.
func whole(v float64) int64 {
	switch {
	case v != math.Trunc(v): // NaN too
		return 0
	case v >= math.MaxInt64:
		return math.MaxInt64
	}
	return int64(max(v, 0))
}

// Attempt is the number of the attempt, from 1, of a message with these headers.
func Attempt(h processor.Headers) int64 { return Retries(h) + 1 }
