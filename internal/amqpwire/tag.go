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

// received is the headers of a delivery without [HeaderTag].
func received(t amqp.Table) processor.Headers {
	_, tagged := t[HeaderTag]
	if tagged && len(t) == 1 {
		return nil
	}
	h := Headers(t)
	if tagged {
		delete(h, HeaderTag)
	}
	return h
}
