// Package key makes keys of messages, such as the number of the customer that a message belongs to.
// [github.com/gowarren/warren/consumer.OrderBy] keeps the order of messages with equal keys, and
// [github.com/gowarren/warren/processors/dedup.Key] skips those that come twice.
package key

import (
	"strconv"

	"github.com/gowarren/warren/processor"
)

// Func returns the key of msg, "" if it has none. It may be called by many goroutines at once. A key may
// be anything that a sender wrote, of any length.
type Func func(msg processor.Message) string

// RoutingKey returns the routing key that the message was last published with.
// A message that was retried through another queue may have another one.
func RoutingKey(msg processor.Message) string { return msg.Origin().RoutingKey }

// Header takes the key from the header name, a text or a whole number. Messages without such a header,
// or with another type in it, have no key. For the name "" it returns nil, which consumer.OrderBy refuses.
func Header(name string) Func {
	if name == "" {
		return nil
	}
	return func(msg processor.Message) string {
		if text, ok := msg.Headers().String(name); ok {
			return text
		}
		if n, ok := msg.Headers().Int64(name); ok {
			return strconv.FormatInt(n, 10)
		}
		return ""
	}
}
