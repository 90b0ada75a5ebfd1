package reply_test

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/failover"
)

// RabbitMQ 3.10 closes the connection over an unknown kind, and 4.3 over what is deprecated: those who
// share the connection get the same error, and must try again.
func TestWhatClosesTheConnectionIsNotFatalForOthers(t *testing.T) {
	t.Parallel()
	for _, e := range []*amqp.Error{
		{Code: amqp.CommandInvalid, Reason: "COMMAND_INVALID - unknown exchange type 'x-nowhere'"},
		{Code: amqp.InternalError, Reason: "INTERNAL_ERROR - Feature `queue_master_locator` is deprecated."},
	} {
		require.False(t, reply.Fatal(e))
		require.False(t, reply.Fatal(fmt.Errorf("%w: %w", failover.ErrLost, e)))
	}
	require.True(t, reply.Fatal(&amqp.Error{Code: amqp.PreconditionFailed, Reason: "PRECONDITION_FAILED - inequivalent arg"}))
	require.True(t, reply.Fatal(failover.ErrClosed))
}
