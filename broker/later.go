package broker

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/processor"
)

// FitsLater checks that e can still be delivered when it has been dead-lettered deaths
// times on its way, and then redelivered. The broker writes that into the headers. If they grow
// over the largest frame, it delivers the message all the same, and the consumer's connection
// ends, again and again. So publishers into queues that dead-letter check before.
//
// deaths is how many entries x-death gets, one for each queue on the way. names is how many
// bytes the names of a queue, the exchange and the routing key take together, in the entry
// where they are longest. e need not have been through [Prepare]. The error wraps
// [processor.ErrTooLarge] or [processor.ErrHeaderType].
func FitsLater(e processor.Envelope, deaths, names int) error {
	headers, err := prepareHeaders(e.Headers)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	e.Headers = headers
	if n := len(headers) + len(deathHeaders); n > maxEntries {
		return fmt.Errorf("broker: %w: with those that the broker adds it has %d headers, the limit is %d", processor.ErrTooLarge, n, maxEntries)
	}
	now := contentHeader(e)
	// The first and the last death have headers of their own.
	later := now + tableSize(deathHeaders) + deaths*(1+tableSize(deathEntry)) + (deaths+2)*names
	if later > defaultFrame {
		return fmt.Errorf("broker: %w: headers and properties take %d bytes, and may take %d when it is delivered (dead-letter hops: %d), the limit is %d",
			processor.ErrTooLarge, now, later, deaths, defaultFrame)
	}
	return nil
}

// longestReason is RabbitMQ's longest reason for dead-lettering.
const longestReason = "delivery_limit"

// deathEntry is what one death adds to x-death, without the names.
var deathEntry = processor.Headers{
	"count": int64(0), "reason": longestReason, "time": time.Time{},
	"queue": "", "exchange": "", "routing-keys": []any{""},
	"original-expiration": "315360000000", // ten years
}

// deathHeaders are the headers that dead-lettering and redelivery add, without the names.
var deathHeaders = processor.Headers{
	"x-death":              []any{},
	"x-first-death-reason": longestReason, "x-first-death-queue": "", "x-first-death-exchange": "",
	"x-last-death-reason": longestReason, "x-last-death-queue": "", "x-last-death-exchange": "",
	"x-delivery-count": int64(0), "x-acquired-count": int64(0),
}
