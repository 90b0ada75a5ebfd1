// Package reply interprets what the broker answers, and a missing answer.
package reply

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
)

// Named wraps the broker's reason for closing a channel in the sentinel that it means.
func Named(err error) error {
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

// Fatal reports whether retrying cannot help: the connection is gone permanently, or what is asked
// for is missing, forbidden, or there with other arguments. An error that closes the connection is
// none: each channel gets it, and so it may be the answer to another's request.
func Fatal(err error) bool {
	if errors.Is(err, failover.ErrClosed) || errors.Is(err, broker.ErrUnsupported) {
		return true
	}
	var e *amqp.Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Code == amqp.AccessRefused || e.Code == amqp.PreconditionFailed {
		return true
	}
	return amqpwire.Missing(e, "queue") || amqpwire.Missing(e, "exchange")
}
