package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
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
	case e.Code == amqp.AccessRefused && strings.Contains(e.Reason, "in exclusive use"):
		return fmt.Errorf("%w: %w", broker.ErrInUse, err)
	case amqpwire.Missing(e, "queue"):
		return fmt.Errorf("%w: %w", broker.ErrNoQueue, err)
	}
	return err
}

// fatal reports whether trying again cannot mend err: the connection is gone for good, or
// what is asked for is missing, forbidden, unknown to the server, or there with other arguments.
func fatal(err error) bool {
	if errors.Is(err, failover.ErrClosed) || errors.Is(err, broker.ErrUnsupported) {
		return true
	}
	var e *amqp.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Code {
	case amqp.AccessRefused, amqp.PreconditionFailed:
		return true
	}
	return amqpwire.Missing(e, "queue") || amqpwire.Missing(e, "exchange")
}

// forbids reports whether err, for which the broker closed a channel, is about a message
// for that place, and not about another on the same channel.
func forbids(err error, to processor.Destination) bool {
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != amqp.AccessRefused {
		return false
	}
	exchange := to.Exchange
	if exchange == "" {
		exchange = "amq.default"
	}
	return strings.Contains(e.Reason, " exchange '"+exchange+"' ") &&
		(!strings.Contains(e.Reason, " topic '") || strings.Contains(e.Reason, " topic '"+to.RoutingKey+"' "))
}

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
