package rabbitmq

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/internal/amqpwire"
)

// ErrQueueDown is wrapped by the error of a queue that exists and cannot be used for now: a
// classic one whose node is down, above all. RabbitMQ 3.10 says so at once, with a 404; 4.x
// says nothing, for 78 s.
var ErrQueueDown = errors.New("the queue is down, or does not answer")

// errNoAnswer says that the broker did not answer in time.
var errNoAnswer = errors.New("no answer in time")

// downError names a queue that is down.
type downError struct {
	queue string
	cause error
}

func (e *downError) Error() string { return fmt.Sprintf("%v: %v", ErrQueueDown, e.cause) }

func (e *downError) Unwrap() []error { return []error{ErrQueueDown, e.cause} }

// ofQueue names the queue in an error that says that it is down.
func ofQueue(queue string, err error) error {
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound && !amqpwire.Missing(e, "queue") && !amqpwire.Missing(e, "exchange") {
		return &downError{queue, err}
	}
	return err
}
