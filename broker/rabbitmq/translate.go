package rabbitmq

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

func envelope(d *amqp.Delivery) processor.Envelope {
	e := amqpwire.Envelope(d)
	e.Priority = republish.Priority(e)
	return e
}

func origin(queue string, d *amqp.Delivery) processor.Origin {
	return processor.Origin{Queue: queue, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Redelivered: d.Redelivered}
}

// publishing is e in the client's terms. Its headers have been through broker.Prepare.
func publishing(e processor.Envelope) amqp.Publishing { return amqpwire.Publishing(e) }

func headers(t amqp.Table) processor.Headers { return amqpwire.Headers(t) }

// publishing is e as it is sent on this channel. A copy that is to wait goes without its
// priority where urgent ones would hold up the others; a header has it.
func (c *confirmChannel) publishing(ctx context.Context, e processor.Envelope) amqp.Publishing {
	if e.Priority > 0 && republish.IsWaiting(ctx) && serverOf(c.session.ServerProperties()).holdsUpNormal() {
		e.Priority = 0
	}
	return publishing(e)
}

func table(h processor.Headers) amqp.Table { return amqpwire.Table(h) }
