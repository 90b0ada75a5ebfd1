package rabbitmq_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// The broker closes the connection over one request. The next one was asked on the same connection, which
// was not yet known to be over, and failed with the reason of the first, although nothing had been asked.
func TestARequestAfterOneThatClosedTheConnectionWaitsForTheNext(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL(), rabbitmq.Failover(failover.Backoff(time.Millisecond, time.Millisecond), failover.StableAfter(0)))
	q := expiring(name(t))
	require.NoError(t, b.Declare(within(t), q))
	for request, do := range map[string]func() error{
		"ask":       func() error { return b.Ask(within(t), func(*amqp.Channel) error { return nil }) },
		"count":     func() error { _, err := b.Ready(within(t), q.Queues[0].Name); return err },
		"declare":   func() error { return b.Declare(within(t), q) },
		"redeclare": func() error { return b.Redeclare(within(t), q) },
		"subscribe": func() error { return subscribing(t, b, q.Queues[0].Name, broker.ConsumerOptions{}) },
		"verify":    func() error { return verifying(t, b, q) },
	} {
		for range 20 {
			require.NoError(t, do(), request)
			err := b.Ask(within(t), func(ch *amqp.Channel) error { return ch.Qos(1, 1, false) }) // no version has a size of prefetch
			require.ErrorContains(t, err, "NOT_IMPLEMENTED", request)
			require.NoError(t, do(), request)
		}
	}
}
