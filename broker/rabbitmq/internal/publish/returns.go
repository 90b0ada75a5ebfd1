package publish

import (
	"maps"
	"reflect"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// returned is a message that came back, with the headers that it was sent with.
type returned struct {
	message *amqp.Return
	headers amqp.Table
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

// take keeps a return until its publish is answered. A return carries no delivery tag, but all of
// the message that a reader would see; its publish is among those that wait. If the publishes that
// match differ in what a return does not show, or none matches, the right one is unknown, and none
// of them is a success.
func (c *confirmChannel) take(r *amqp.Return) {
	var like *publish
	same := true
	for p := range c.waiting {
		if !p.looksLike(r) {
			continue
		}
		if like == nil {
			like = p
		}
		same = same && equal(p.message.Headers, like.message.Headers)
	}
	if like != nil && same {
		c.unclaimed = append(c.unclaimed, returned{r, like.message.Headers})
		return
	}
	for p := range c.waiting {
		if like == nil || p.looksLike(r) {
			p.doubtful = true
		}
	}
}

// claim gives p, which the broker has just confirmed, a matching return if there is one.
//
// The return may be that of an equal publish, whose confirm is still to come and which then finds
// one return less. That does no harm: each return comes before the confirm of its own publish, so
// in the end as many of the equal ones have claimed a return as were returned, and as many succeed
// as are stored. To assign the return to a waiting publish before its confirm would be wrong: the
// confirms may come in another order.
func (c *confirmChannel) claim(p *publish) {
	for i, r := range c.unclaimed {
		if p.looksLike(r.message) && equal(p.message.Headers, r.headers) {
			p.returned = r.message
			c.unclaimed = slices.Delete(c.unclaimed, i, i+1)
			return
		}
	}
}

// visible is what is compared of a message besides its body and headers.
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

// looksLike reports whether p matches the returned message, as far as a return shows.
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
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(amqpwire.Headers(a), amqpwire.Headers(b))
}
