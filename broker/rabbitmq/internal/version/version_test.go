package version_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
)

func TestWhatABrokerSaysOfItself(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		product, version string
		compares, limits bool
	}{
		{"RabbitMQ", "3.10.8", true, false},
		{"RabbitMQ", "3.13.0-rc.1", true, false},
		{"RabbitMQ", "4.0.2", true, true},
		{"RabbitMQ", "10.0", true, true},
		{"RabbitMQ", "3.9.29", false, false},
		{"RabbitMQ", "2.8.7", false, false},
		{"RabbitMQ", "", false, false},
		{"RabbitMQ", "next", false, false},
		{"LavinMQ", "4.0.0", false, false},
	} {
		s := version.Of(amqp.Table{"product": tc.product, "version": tc.version})
		require.Equal(t, tc.compares, s.Compares(), tc)
		_, limits := s.DeliveryLimit(nil)
		require.Equal(t, tc.limits, limits, tc)
	}
	require.False(t, version.Of(nil).Compares())
}
