package delay

import (
	"iter"
	"math"

	"github.com/gowarren/warren/processor"
)

// death is an entry of x-death. Any of it may come from a sender.
type death struct {
	queue    string
	exchange string // that the message was published to
	count    int64  // never negative
}

// deaths are the valid entries of x-death, in no particular order.
func deaths(h processor.Headers) iter.Seq[death] {
	return func(yield func(death) bool) {
		entries, _ := h.List("x-death")
		for _, entry := range entries {
			fields, ok := processor.Headers{"": entry}.Table("")
			if !ok {
				continue
			}
			queue, _ := fields.String("queue")
			exchange, _ := fields.String("exchange")
			n, _ := fields.Int64("count")
			if !yield(death{queue: queue, exchange: exchange, count: max(n, 0)}) {
				return
			}
		}
	}
}

// add is a + b for numbers that are not negative, at most the largest int64.
func add(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }
