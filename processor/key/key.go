// Package key makes keys of messages: what a message belongs to, such as the number of a customer.
// [github.com/gowarren/warren/consumer.OrderBy] keeps the order of those with equal keys, and
// [github.com/gowarren/warren/processors/dedup.Key] skips what comes twice.
package key

import (
	"strconv"

	"github.com/gowarren/warren/processor"
)

// Func returns what msg belongs to, "" for a message that has no key. It may be called by many
// goroutines at once. A key may be anything that a sender wrote, of any length.
type Func func(msg processor.Message) string

// RoutingKey makes the key of the routing key that the message was last published with.
// A message that was retried through another queue may have come back with another one.
func RoutingKey(msg processor.Message) string { return msg.Origin().RoutingKey }

// Header makes the key of the header name, a text or a whole number. Messages that lack it, or
// hold something else in it, have no key. For the name "" it returns nil, which consumer.OrderBy refuses.
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
