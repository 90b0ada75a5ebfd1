// Package marshaler is for applications that use watermill-amqp and stay with it: a marshaler
// that takes every message, with types and properties.
//
//	config := amqp.NewDurableQueueConfig(url)
//	config.Marshaler = marshaler.Typed{}
//
// watermill-amqp's own marshalers know text alone: a message with a header of any other type
// is nacked, and comes back, for ever. Whatever was dead-lettered has one, x-death; so has what
// Swarrot, Celery or nameko publish, and what a retry layer counts. With this one an
// application can put [github.com/gowarren/warren/broker/watermill.Middleware] with a retry or
// an xdeath layer into its router, and leave its subscriber as it is.
package marshaler

import (
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill/internal/wire"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// Typed is watermill-amqp's Marshaler. It reads what DefaultMarshaler writes and the other way
// round, so publishers and subscribers can change to it one by one; but DefaultMarshaler still
// reads no message that was published further with a header that is not text.
//
// The UUID of a message is the header _watermill_message_uuid, or else the message id, and is
// written to both. Headers are metadata as text, and have their types again when the message is
// published further; the metadata _warren says which, and what the properties were. The
// correlation id is the metadata correlation_id, as in Watermill's middleware.
//
// A message that is published further is a copy: the expiration and the user id, which would
// harm it, become the headers warren-original-expiration and warren-original-user-id; x-death,
// CC and BCC are left out; it is persistent.
type Typed struct {
	// PostprocessPublishing may change each message before it is published, as that of
	// DefaultMarshaler. nil changes nothing.
	PostprocessPublishing func(amqp.Publishing) amqp.Publishing
}

// Marshal returns msg as it is published. What RabbitMQ would close the whole connection for is
// an error: [processor.ErrTooLarge] or [processor.ErrHeaderType].
func (t Typed) Marshal(msg *message.Message) (amqp.Publishing, error) {
	e, err := broker.Prepare(processor.Destination{}, wire.Envelope(msg))
	if err != nil {
		return amqp.Publishing{}, fmt.Errorf("marshaler: %w", err)
	}
	p := amqpwire.Publishing(e)
	if t.PostprocessPublishing != nil {
		p = t.PostprocessPublishing(p)
	}
	return p, nil
}

// Unmarshal takes every delivery. It refuses what is none: when a queue is deleted,
// watermill-amqp takes its closed channel for one empty message after the other. The error
// makes it subscribe again.
func (Typed) Unmarshal(d amqp.Delivery) (*message.Message, error) {
	if d.Acknowledger == nil && d.Headers == nil && d.Body == nil {
		return nil, errNoDelivery
	}
	return wire.Message(amqpwire.Envelope(&d)), nil
}

var errNoDelivery = errors.New("marshaler: no message: the consumer was cancelled, as when its queue is deleted")
