package delay

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// Names that nameko reads and writes.
const (
	namekoExchange = "nameko-rpc" // of requests
	namekoMethod   = "nameko.rpc_method_id"
	namekoCalls    = "nameko.call_id_stack"
	namekoMark     = ".backoff"
)

// forPython writes the headers of nameko-amqp-retry for a delayed message into e's headers, a
// clean copy.
func forPython(e processor.Envelope, queue string, ms int32) processor.Envelope {
	h := e.Headers
	before := delays(h)
	if ms > 0 {
		h[backoffHeader] = ms
		before-- // the broker counts this one
	}
	if before > 0 {
		h["x-death"] = []any{earlier(queue, ms, before)}
	}
	exchange, _ := h.String(republish.HeaderOriginalExchange)
	method, named := h.String(republish.HeaderOriginalKey)
	if exchange == namekoExchange && named && h[namekoMethod] == nil {
		h[namekoMethod] = method // the routing key will be the queue's name
	}
	if calls, ok := h.List(namekoCalls); ok {
		h[namekoCalls] = marked(calls)
	}
	return e
}

// delays is how often the message has been delayed, this time included. It leaves room
// for the broker to count on, within what every client can read.
func delays(h processor.Headers) int64 {
	return min(republish.Count(h, republish.HeaderBackoffs), math.MaxInt32-1)
}

// earlier is an entry of x-death as RabbitMQ writes it, for all earlier delays together.
// It has the name of the queue that the message goes to, so that the broker increments its
// count and adds no entry.
func earlier(queue string, ms int32, count int64) processor.Headers {
	return processor.Headers{
		"count":        count,
		"exchange":     backoffExchange,
		"queue":        backoffQueue(ms),
		"reason":       "expired",
		"routing-keys": []any{queue},
		"time":         time.Now().UTC().Truncate(time.Second),
	}
}

// marked is a copy of the ids of a chain of calls, in which the last one has the mark of a delay, once.
// Python adds the worker's own id with that mark, and its list grows at each delay. Any other value stays as it is.
func marked(calls []any) []any {
	for _, id := range calls {
		if _, ok := id.(string); !ok {
			return calls
		}
	}
	if len(calls) == 0 {
		return calls
	}
	calls = slices.Clone(calls)
	last := &calls[len(calls)-1]
	if id, _ := (*last).(string); !strings.HasSuffix(id, namekoMark) {
		*last = id + namekoMark
	}
	return calls
}
