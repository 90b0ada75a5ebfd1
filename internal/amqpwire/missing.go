package amqpwire

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Missing reports whether e says that a queue or an exchange, as what names it, does not exist.
// What is away for now has the same code: RabbitMQ says "queue 'q' ... is down", "... has crashed"
// and the like of it.
func Missing(e *amqp.Error, what string) bool {
	return e.Code == amqp.NotFound && strings.HasPrefix(e.Reason, "NOT_FOUND - no "+what+" ")
}
