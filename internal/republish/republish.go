// Package republish turns a message that was taken from a queue into one to publish
// again. Every processor that retries or parks, and replay, keeps and drops the same;
// docs/semantics.md has it as a table.
package republish

import (
	"strconv"
	"time"

	"github.com/gowarren/warren/processor"
)

// DelayPrefix begins the headers that steer a message through delay queues. They belong to
// one delay, and would lengthen the next.
const DelayPrefix = "warren-delay-"

// The headers that save what a copy cannot keep as a property. A sender can write them,
// as any header.
const (
	// HeaderOriginalExpiration is the expiration as the property had it: milliseconds, in
	// digits. A number might be over 2^31, which some clients cannot pass on.
	HeaderOriginalExpiration = "warren-original-expiration"
	// HeaderOriginalUserID is the user that the broker had checked. The broker does not
	// check the header.
	HeaderOriginalUserID = "warren-original-user-id"
)

// brokerHeaders are written by the broker or for it, or steer it, and do not belong on a copy:
// x-death makes a delay queue drop the message as a cycle, and CC routes it again.
var brokerHeaders = []string{
	"x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason",
	"x-last-death-exchange", "x-last-death-queue", "x-last-death-reason",
	"x-delivery-count", "x-acquired-count", "CC", "BCC",
	"warren-tag", "warren-priority-0", // of a message that another client has read; see package amqpwire
}

// Envelope returns a copy of msg to publish: the same body, its own header map without
// the broker's headers, and the properties without those that would harm the copy, which
// are saved in headers. The expiration would cut the delay short, a foreign user id is
// refused, and a copy that must survive is persistent.
func Envelope(msg processor.Message) processor.Envelope {
	e := bare(msg)
	p := msg.Properties()
	if p.Expiration > 0 {
		e.Headers[HeaderOriginalExpiration] = milliseconds(p.Expiration)
	}
	if p.UserID != "" {
		e.Headers[HeaderOriginalUserID] = p.UserID
	}
	return e
}

// bare is a copy without Warren's headers: no larger than msg, which has been sent.
func bare(msg processor.Message) processor.Envelope {
	e := processor.Envelope{
		Body:       msg.Body(),
		Headers:    msg.Headers().Clone(),
		Properties: msg.Properties(),
	}
	Strip(e.Headers)
	delete(e.Headers, HeaderOriginalPriority) // it is a property again
	e.Expiration = 0
	e.UserID = ""
	e.Transient = false
	return e
}

// milliseconds rounds up, as the wire does.
func milliseconds(d time.Duration) string {
	return strconv.FormatInt(int64((d-1)/time.Millisecond)+1, 10) // it is positive, and may be the largest
}
