package rabbitmq

import (
	"maps"
	"reflect"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// markReturned empties the returns and marks the publishes that they belong to. The
// caller holds mu.
func (c *confirmChannel) markReturned() {
	for {
		select {
		case r, ok := <-c.returns:
			if !ok {
				c.returns = nil // closed with the channel; a nil one is never ready
				return
			}
			c.mark(&r)
		default:
			return
		}
	}
}

// mark finds the publish that was returned. A return carries no delivery tag, but all of
// the message that a reader would see. Of several publishes that are equal, unseen parts
// included, the first is as good as any: one of them is stored. If they differ in what
// cannot be seen, or none matches, nobody can tell, and none of them is a success.
func (c *confirmChannel) mark(r *amqp.Return) {
	var first *publish
	var alike []*publish
	for p := range c.waiting {
		if p.returned != nil || !p.looksLike(r) {
			continue
		}
		alike = append(alike, p)
		if first == nil || p.sequence < first.sequence {
			first = p
		}
	}
	if first == nil {
		for p := range c.waiting {
			p.doubtful = true
		}
		return
	}
	for _, p := range alike {
		if !equal(p.message.Headers, first.message.Headers) {
			for _, p := range alike {
				p.doubtful = true
			}
			return
		}
	}
	first.returned = r
}

// visible is what is compared of a message beside its body and headers.
type visible struct {
	to                           processor.Destination
	id, correlation, reply       string
	kind, app, user              string
	contentType, contentEncoding string
	expiration                   string
	seconds                      int64
	mode, priority               uint8
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// looksLike reports whether p is the message that was returned, as far as one can see.
func (p *publish) looksLike(r *amqp.Return) bool {
	m := &p.message
	sent := visible{
		p.to, m.MessageId, m.CorrelationId, m.ReplyTo, m.Type, m.AppId, m.UserId,
		m.ContentType, m.ContentEncoding, m.Expiration, seconds(m.Timestamp), m.DeliveryMode, m.Priority,
	}
	came := visible{
		processor.Destination{Exchange: r.Exchange, RoutingKey: r.RoutingKey},
		r.MessageId, r.CorrelationId, r.ReplyTo, r.Type, r.AppId, r.UserId,
		r.ContentType, r.ContentEncoding, r.Expiration, seconds(r.Timestamp), r.DeliveryMode, r.Priority,
	}
	return sent == came && string(m.Body) == string(r.Body) && sameHeaders(m.Headers, r.Headers)
}

// sameHeaders compares as Warren reads headers. The broker has removed BCC.
func sameHeaders(sent, came amqp.Table) bool {
	if _, ok := sent["BCC"]; ok {
		sent = maps.Clone(sent)
		delete(sent, "BCC")
	}
	return equal(sent, came)
}

func equal(a, b amqp.Table) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(headers(a), headers(b))
}
