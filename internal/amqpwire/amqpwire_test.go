package amqpwire_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/amqpwire"
)

// A handler saw 1970, and a copy said so.
func TestATimestampOfZeroIsNone(t *testing.T) {
	t.Parallel()
	e := amqpwire.Envelope(&amqp.Delivery{Timestamp: time.Unix(0, 0)})
	require.Zero(t, e.Timestamp)
	require.Zero(t, amqpwire.Publishing(e).Timestamp)
	require.Zero(t, amqpwire.Envelope(&amqp.Delivery{}).Timestamp)
	second := time.Unix(1, 0)
	require.Equal(t, second.UTC(), amqpwire.Envelope(&amqp.Delivery{Timestamp: second}).Timestamp)
}
