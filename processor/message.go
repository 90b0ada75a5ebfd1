package processor

import (
	"fmt"
	"time"
)

// Message is one message taken from a broker. Its methods may be called by many goroutines at once, until
// Process has returned: from then on it belongs to whoever runs the pipeline.
//
// Its content is read-only and shared: a processor that wants other content embeds
// the message in a type of its own and overrides the method, so that an outer retry
// still republishes the original bytes:
//
//	type decompressed struct {
//		processor.Message
//		body []byte
//	}
//
//	func (d decompressed) Body() []byte { return d.body }
type Message interface {
	// Body is the payload. It may be empty, and must not be changed.
	Body() []byte
	// Headers are the application headers. They may be nil, and must not be changed;
	// take a [Headers.Clone] to write.
	Headers() Headers
	// Properties are the standard properties, as the sender set them.
	Properties() Properties
	// Origin says where the message was taken from.
	Origin() Origin

	// Ack tells the broker that the message was processed. The broker forgets it. The ack may be
	// sent a moment after Ack has returned; if the process or the connection ends in that
	// moment, the message is redelivered.
	//
	// Ack and Nack return [ErrSettled] for a message that is settled, and [ErrStale] for one whose channel is
	// lost, so that it is redelivered. What they return is final: neither can be tried again.
	Ack() error
	// Nack tells the broker that the message failed. With requeue it is redelivered;
	// without, it is dead-lettered, or dropped where the queue has no
	// dead-letter exchange. With requeue it may wait before, for up to 5 s in a consumer, so that a message that
	// always fails does not come again at once.
	Nack(requeue bool) error
	// Settled reports whether Ack or Nack has been called.
	Settled() bool
}

// Origin is where a message was taken from.
type Origin struct {
	// Queue is the queue it was consumed from.
	Queue string
	// Exchange is the exchange it was last published to; "" is the default exchange.
	Exchange string
	// RoutingKey is the key it was last published with.
	RoutingKey string
	// Redelivered is the broker's hint that it was delivered before.
	Redelivered bool
}

// MaxName is how long the name of a queue or an exchange, a routing key and a property may be, in bytes. It is
// the limit of AMQP 0-9-1, whose lengths are one byte.
const MaxName = 255

// Destination is where a message is published to.
type Destination struct {
	// Exchange is the exchange; "" is the default exchange, where the routing key
	// names a queue.
	Exchange string
	// RoutingKey is the routing key.
	RoutingKey string
}

// String returns the destination as exchange and key, quoted, for logs and errors.
func (d Destination) String() string {
	if d.Exchange == "" {
		return fmt.Sprintf("queue %q (default exchange)", d.RoutingKey)
	}
	return fmt.Sprintf("exchange %q with key %q", d.Exchange, d.RoutingKey)
}

// Envelope is a message to publish: a plain value.
type Envelope struct {
	// Body is the payload; nil is an empty one.
	Body []byte
	// Headers are the application headers; nil is none. See [Headers] for the types
	// that every broker carries.
	Headers Headers
	Properties
}

// Properties are a message's standard properties. The zero value of each field means
// that the property is absent, but for Transient.
type Properties struct {
	// ID identifies the message. Retries keep it.
	ID string
	// CorrelationID names the message that this one answers or follows.
	CorrelationID string
	// ReplyTo is where an answer is wanted. It is the sender's claim.
	ReplyTo string
	// Type is the application's name for this kind of message.
	Type string
	// AppID names the application that sent it.
	AppID string
	// UserID is the broker user that sent it. A broker refuses any other user's.
	UserID string
	// ContentType is the body's MIME type.
	ContentType string
	// ContentEncoding is the body's encoding, such as gzip.
	ContentEncoding string
	// Expiration is how long the message may wait in a queue. The wire has whole
	// milliseconds: a fraction is rounded up. 0 is no limit. So AMQP's expiration of "0", which means
	// now or never, cannot be sent; a nanosecond becomes one millisecond. One that comes in reads as
	// no limit.
	Expiration time.Duration
	// Timestamp is when it was sent, in whole seconds on the wire. The zero Time is none, and so is
	// 1970-01-01 00:00 UTC, which some clients write where there is none.
	Timestamp time.Time
	// Priority is 0 to 255; higher goes first in a priority queue.
	Priority uint8
	// PriorityZero is whether a Priority of 0 is meant, and not none: a quorum queue of RabbitMQ 4.3
	// delivers a message without a priority before one of 0. Some clients, PHP's among them, write a
	// 0 into every message. Default: false, no priority. It counts only where Priority is 0.
	PriorityZero bool
	// Transient lets the broker lose the message when it restarts. The default,
	// false, is a persistent message.
	Transient bool
}
