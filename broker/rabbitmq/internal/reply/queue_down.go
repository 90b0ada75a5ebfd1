package reply

import (
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/amqpwire"
)

// ErrQueueDown is wrapped by the error of a queue that exists but cannot be used for now, such as a
// classic queue whose node is down. RabbitMQ 3.10 says so at once, with a 404; 4.x is silent for 78
// s.
var ErrQueueDown = errors.New("the queue is down, or does not answer")

// ErrNoAnswer says that the broker did not answer in time.
var ErrNoAnswer = errors.New("no answer in time")

// DownError names a queue that is down.
type DownError struct {
	Queue string
	Cause error
}

func (e *DownError) Error() string { return fmt.Sprintf("%v: %v", ErrQueueDown, e.Cause) }

func (e *DownError) Unwrap() []error { return []error{ErrQueueDown, e.Cause} }

// OfQueue adds the queue's name to an error that says that it is down.
func OfQueue(queue string, err error) error {
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound && !amqpwire.Missing(e, "queue") && !amqpwire.Missing(e, "exchange") {
		return &DownError{queue, err}
	}
	return err
}

// QueueDown returns the name of the queue that is down, or else err.
func QueueDown(err error) (string, error) {
	var down *DownError
	if errors.As(err, &down) {
		return down.Queue, nil
	}
	return "", err
}

// Vanished returns err, or, if what it misses was declared a moment ago, an error that passes. The
// exclusive queues of a lost connection, their auto-delete exchanges, and auto-delete queues take a
// moment to go, and may go right after they were found to exist.
func Vanished(t broker.Topology, exchange, queue string, err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	declared := amqpwire.Missing(e, "exchange") && slices.ContainsFunc(t.Exchanges, func(x broker.Exchange) bool { return x.Name == exchange }) ||
		amqpwire.Missing(e, "queue") && slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.Name == queue })
	if !declared {
		return err
	}
	// Not wrapped: its code would be taken for a permanent error.
	return fmt.Errorf("it was there a moment ago, when it was declared: %v", err) //nolint:errorlint // see above
}
