package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// named wraps what the broker said when it closed a channel in the sentinel it means.
func named(err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == amqp.PreconditionFailed && strings.Contains(e.Reason, "inequivalent arg"):
		return fmt.Errorf("%w: %w", broker.ErrMismatch, err)
	case e.Code == amqp.NotFound && !nodeDown(e):
		return fmt.Errorf("%w: %w", broker.ErrNoQueue, err)
	}
	return err
}

// fatal reports whether trying again cannot mend err: what is asked for is missing,
// forbidden, or there with other arguments.
func fatal(err error) bool {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return errors.Is(err, broker.ErrTopology)
	}
	switch e.Code {
	case amqp.AccessRefused, amqp.PreconditionFailed:
		return true
	case amqp.NotFound:
		return !nodeDown(e)
	}
	return false
}

// nodeDown tells a queue whose node is away from one that does not exist; RabbitMQ has
// one code for both.
func nodeDown(e *amqp.Error) bool { return strings.Contains(e.Reason, "home node") }

// unknownOutcome is the error of a publish whose answer will not come.
func unknownOutcome(to processor.Destination, cause error) error {
	return fmt.Errorf("rabbitmq: publish to %s: %w: %w", to, processor.ErrIndeterminate, cause)
}

// ended is the error of a context that is over, with its cause.
func ended(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return ctx.Err()
}
