// Package republish turns a message that was taken from a queue into one to publish
// again. What it keeps and what it drops is one contract for every processor that
// retries; docs/semantics.md has it as a table.
package republish

import (
	"strings"

	"github.com/gowarren/warren/processor"
)

// DelayPrefix begins the headers that steer a message through delay queues. They are of
// one delay, and would lengthen the next.
const DelayPrefix = "warren-delay-"

// brokerHeaders are written by the broker, or steer it, and do not belong on a copy:
// x-death makes a delay queue drop the message as a cycle, and CC routes it again.
var brokerHeaders = []string{
	"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
	"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
	"x-delivery-count", "x-acquired-count", "CC", "BCC",
}

// Envelope returns a copy of msg to publish: the same body, its own header map without
// the broker's headers, and the properties without those that would harm the copy.
// The expiration would cut the delay short, a foreign user id is refused, and a copy
// that must survive is persistent.
func Envelope(msg processor.Message) processor.Envelope {
	e := processor.Envelope{
		Body:       msg.Body(),
		Headers:    msg.Headers().Clone(),
		Properties: msg.Properties(),
	}
	Strip(e.Headers)
	e.Expiration = 0
	e.UserID = ""
	e.Transient = false
	return e
}

// Strip removes from h what the broker wrote, and what would steer a copy.
func Strip(h processor.Headers) {
	for _, name := range brokerHeaders {
		delete(h, name)
	}
	for name := range h {
		if strings.HasPrefix(name, DelayPrefix) {
			delete(h, name)
		}
	}
}
