package publish

import (
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// The most that a message with a tag may have: half of what a frame, and a client, can read. A
// queue adds headers to a message that it dead-letters, and the tag must not be what makes them too
// many. A message with more is published on a channel of its own.
const (
	maxTagged  = 64 << 10 // bytes of headers and properties
	maxHeaders = 4096
)

// takesTag reports whether e has room for a tag on a connection with frames of that size.
func takesTag(e processor.Envelope, frame int) bool {
	most := maxTagged
	if frame > 0 {
		most = min(most, frame/2)
	}
	return len(e.Headers) < maxHeaders && broker.FitsFrame(e, most) == nil
}

// tagged writes the tag of p, which has just been registered, into its headers.
func (p *publish) tagged() {
	if p.tag == 0 {
		return
	}
	if p.message.Headers == nil {
		p.message.Headers = make(amqp.Table, 1)
	}
	p.message.Headers[amqpwire.HeaderTag] = strconv.FormatUint(p.tag, 36)
}

// tagOf returns the tag of a returned message, 0 if it has none.
func tagOf(r *amqp.Return) uint64 {
	text, _ := r.Headers[amqpwire.HeaderTag].(string)
	tag, err := strconv.ParseUint(text, 36, 64)
	if err != nil {
		return 0
	}
	return tag
}

// takeReturns drains the returns. The caller holds mu.
func (c *confirmChannel) takeReturns() {
	for {
		select {
		case r, ok := <-c.returns:
			if !ok {
				c.returns = nil // closed with the channel; a nil one is never ready
				return
			}
			c.take(&r)
		default:
			return
		}
	}
}

// take finds the publish that r belongs to. On a channel for one message that has no tag. A tag that
// the channel has not given, or none, may stand for any publish that waits, and then none of them is
// a success. RabbitMQ keeps the header; another broker might not.
func (c *confirmChannel) take(r *amqp.Return) {
	tag := tagOf(r)
	if c.apart {
		tag = 0
	}
	p := c.waiting[tag]
	switch {
	case p != nil:
		p.returned = &unrouted{r.ReplyCode, r.ReplyText}
	case tag == 0 || tag > c.latest:
		c.doubt = c.latest
	}
}

// unrouted is why a message was returned.
type unrouted struct {
	code uint16
	text string
}
