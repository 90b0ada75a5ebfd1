package amqpwire

import (
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// HeaderTag is the header in which a publisher numbers the messages of one channel. A broker
// returns a message without its delivery tag, but with its headers. The number is text, which every
// client reads, and watermill-amqp reads nothing else. It means nothing to whoever receives the
// message, so [Envelope] leaves it out.
const HeaderTag = "warren-tag"

// HeaderPriority0 stands for a priority of 0 between package failover and here, since the client does
// not tell it from none: see [processor.Properties]. Its value is void. Elsewhere it means nothing.
const HeaderPriority0 = "warren-priority-0"

// received is the headers of a delivery without those that are not the sender's. A message that has no
// others has none.
func received(t amqp.Table) processor.Headers {
	own := 0
	for _, name := range [...]string{HeaderTag, HeaderPriority0} {
		if _, has := t[name]; has {
			own++
		}
	}
	if own > 0 && own == len(t) {
		return nil
	}
	h := Headers(t)
	if own > 0 {
		delete(h, HeaderTag)
		delete(h, HeaderPriority0)
	}
	return h
}

// hasPriority0 reports whether the priority of a delivery is 0, and not none.
func hasPriority0(d *amqp.Delivery) bool {
	_, zero := d.Headers[HeaderPriority0]
	return zero && d.Priority == 0
}
