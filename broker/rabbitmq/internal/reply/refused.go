package reply

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/processor"
)

// Forbids reports whether err, for which the broker closed a channel, concerns a message for that
// place, and not another on the same channel.
func Forbids(err error, to processor.Destination) bool {
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

var overSize = regexp.MustCompile(`message size \d+ is larger than configured max size (\d+)`)

// SizeLimit reads the limit from the reason for which the broker closed a channel.
func SizeLimit(err error) (limit int, told bool) {
	var e *amqp.Error
	if !errors.As(err, &e) || e.Code != amqp.PreconditionFailed {
		return 0, false
	}
	found := overSize.FindStringSubmatch(e.Reason)
	if found == nil {
		return 0, false
	}
	limit, err = strconv.Atoi(found[1])
	return limit, err == nil && limit > 0
}
