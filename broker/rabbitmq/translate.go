package rabbitmq

import (
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

func envelope(d *amqp.Delivery) processor.Envelope { return amqpwire.Envelope(d) }

func origin(queue string, d *amqp.Delivery) processor.Origin {
	return processor.Origin{Queue: queue, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Redelivered: d.Redelivered}
}

// publishing is e in the client's terms. Its headers have been through broker.Prepare.
func publishing(e processor.Envelope) amqp.Publishing { return amqpwire.Publishing(e) }

func headers(t amqp.Table) processor.Headers { return amqpwire.Headers(t) }

func table(h processor.Headers) amqp.Table { return amqpwire.Table(h) }
