package reply_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
)

// A plugin that is gone after an upgrade would end one connection after the other.
func TestAnUnknownKindIsFatal(t *testing.T) {
	t.Parallel()
	require.True(t, reply.Fatal(&amqp.Error{Code: amqp.CommandInvalid, Reason: "COMMAND_INVALID - unknown exchange type 'x-a'"}))
	require.False(t, reply.Fatal(&amqp.Error{Code: amqp.CommandInvalid, Reason: "COMMAND_INVALID - second 'channel.open' seen"}))
}
