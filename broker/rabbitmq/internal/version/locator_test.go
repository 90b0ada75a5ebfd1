package version_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/processor"
)

func TestWhichLocatorAServerTakes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		server string
		value  any
		lacks  bool
		may    bool
	}{
		{"3.10.8", "random", false, false},
		{"3.10.8", "", true, false},
		{"3.10.8", 5, true, false},
		{"3.10.8", []any{}, true, false},
		{"4.0.5", "anywhere", false, false},
		{"4.3.6", "random", false, true},
	} {
		s := version.Of(amqp.Table{"product": "RabbitMQ", "version": tc.server})
		q := broker.Queue{Name: "q", Arguments: processor.Headers{"x-queue-master-locator": tc.value}}
		err := s.Lacks([]broker.Queue{q})
		require.Equal(t, tc.lacks, err != nil, tc)
		if tc.lacks {
			require.ErrorIs(t, err, broker.ErrUnsupported, tc)
		}
		require.Equal(t, tc.may, s.MayCrashOver(q), tc)
		require.False(t, s.MayCrashOver(broker.Queue{Name: "q"}), tc)
	}
}
