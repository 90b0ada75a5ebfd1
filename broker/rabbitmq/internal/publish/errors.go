package publish

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// forbids reports whether err, for which the broker closed a channel, concerns a message for that
// place, and not another on the same channel.
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
