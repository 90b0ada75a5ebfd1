package rabbitmq

import (
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

func envelope(d *amqp.Delivery) processor.Envelope {
	e := amqpwire.Envelope(d)
	republish.RestorePriority(&e)
	return e
}

func origin(queue string, d *amqp.Delivery) processor.Origin {
	return processor.Origin{Queue: queue, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Redelivered: d.Redelivered}
}

func headers(t amqp.Table) processor.Headers { return amqpwire.Headers(t) }

func table(h processor.Headers) amqp.Table { return amqpwire.Table(h) }
