package rabbitmq_test

import (
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// Shared with other tests over this broker.
const patience = rig.Patience

var (
	open       = rig.Open
	within     = rig.Within
	withinTime = rig.WithinTime
	name       = rig.Name
	raw        = rig.Raw
	to         = rig.To
	text       = rig.Text
	subscribe  = rig.Subscribe
	receive    = rig.Receive
	ready      = rig.Ready
)

// declareQueue declares a queue that is not in the topology of the broker under test.
func declareQueue(tb testing.TB, url string, args amqp.Table) string {
	tb.Helper()
	q := name(tb)
	_, err := raw(tb, url).QueueDeclare(q, true, false, false, false, args)
	require.NoError(tb, err)
	return q
}

// loseConnections makes the node close b's connections, and returns when b has others: until then
// something may still be published on the old ones, or be received from them.
func loseConnections(tb testing.TB, node *rabbitmqtest.Node, b *rabbitmq.Broker) {
	tb.Helper()
	both := []*failover.Connection{b.Publishing(), b.Consuming()}
	opened := []time.Time{both[0].State().Since, both[1].State().Since}
	node.CloseConnections(tb, "test")
	for i, c := range both {
		require.Eventually(tb, func() bool {
			return c.Ready() == nil && c.State().Since.After(opened[i])
		}, patience, time.Millisecond)
	}
}
