// Package marshaler is for applications that stay with watermill-amqp: a marshaler that takes every
// message, with types and properties.
//
//	config := amqp.NewDurableQueueConfig(url)
//	config.Marshaler = marshaler.Typed{}
//
// watermill-amqp's own marshalers know text alone: a message with a header of another type blocks its
// queue, since it is nacked and comes back at once, without end. Every dead-lettered message has one, x-death; so have those
// that Swarrot, Celery or nameko publish, and a retry layer's count. With this one an application
// can put [github.com/gowarren/warren/broker/watermill.Middleware] with a retry or an xdeath layer
// into its router, and keep its subscriber.
package marshaler

import (
	"errors"
	"fmt"
	"maps"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/watermill/internal/wire"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// Typed is watermill-amqp's Marshaler. It reads what DefaultMarshaler writes and the other way
// round, so publishers and subscribers can change to it one by one; but DefaultMarshaler still
// cannot read a republished message with a header that is not text.
//
// The UUID of a message is the header _watermill_message_uuid, or else the message id, and is
// written to both. Headers are text in the metadata, and have their types again when the message is
// republished; the metadata _warren says which, and what the properties were. The correlation id is
// the metadata correlation_id, as in Watermill's middleware.
//
// A republished message is a copy: the expiration and the user id, which would harm it, become the
// headers warren-original-expiration and warren-original-user-id; x-death, CC and BCC are left out;
// it is persistent.
type Typed struct {
	// PostprocessPublishing may change each message before it is published, as in DefaultMarshaler.
	// nil changes nothing.
	PostprocessPublishing func(amqp.Publishing) amqp.Publishing
}

// Marshal returns msg as it is published. A message for which RabbitMQ would close the whole
// connection is an error: [processor.ErrTooLarge] or [processor.ErrHeaderType].
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

// Unmarshal takes every real delivery and refuses empty ones: when a queue is deleted,
// watermill-amqp reads one empty message after the other from its closed channel. The error makes
// it subscribe again.
func (Typed) Unmarshal(d amqp.Delivery) (*message.Message, error) {
	if d.Acknowledger == nil && d.Headers == nil && d.Body == nil {
		return nil, errNoDelivery
	}
	d.Headers = maps.Clone(d.Headers) // the caller's
	return wire.Message(amqpwire.Envelope(&d)), nil
}

var errNoDelivery = errors.New("marshaler: no message: the consumer was cancelled, as when its queue is deleted")
