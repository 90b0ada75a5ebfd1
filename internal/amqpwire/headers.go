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

// takeOver makes Warren's headers of a delivery's, in the same map, without those that are not the
// sender's. A message that has no others has none.
func takeOver(t amqp.Table) processor.Headers {
	before := len(t)
	delete(t, HeaderTag)
	delete(t, HeaderPriority0)
	if before > 0 && len(t) == 0 {
		return nil
	}
	for name, value := range t {
		if differs(value) {
			t[name] = fromWire(value)
		}
	}
	return processor.Headers(t)
}

// hasPriority0 reports whether the priority of a delivery is 0, and not none.
func hasPriority0(d *amqp.Delivery) bool {
	_, zero := d.Headers[HeaderPriority0]
	return zero && d.Priority == 0
}
