package amqpwire

import (
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Missing reports whether e says that a queue or an exchange, named by what, does not exist.
// A queue that is only down has the same code, with the text "queue 'q' ... is down", "... has
// crashed" or the like.
func Missing(e *amqp.Error, what string) bool {
	return e.Code == amqp.NotFound && strings.HasPrefix(e.Reason, "NOT_FOUND - no "+what+" ")
}
