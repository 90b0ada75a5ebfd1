package rabbitmq_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Each channel declared the topology for itself: 90 times 90 queues.
func TestNinetyConsumersThatReconnectDeclareOnce(t *testing.T) {
	t.Parallel()
	const consumers = 90
	var wire tap
	b := open(t, rabbitmqtest.Shared(t).URL(), wire.option())
	var topology broker.Topology
	for i := range consumers {
		topology.Queues = append(topology.Queues, broker.Queue{Name: fmt.Sprint(name(t), "-", i), Expires: time.Minute})
	}
	require.NoError(t, b.Declare(within(t), topology))
	for _, q := range topology.Queues {
		subscribe(t, b, q.Name, 1)
	}
	require.LessOrEqual(t, wire.count(queueDeclare), 2*consumers, "by Declare, and by the first to subscribe")

	declared, consumed, start := wire.count(queueDeclare), wire.count(basicConsume), time.Now()
	wire.cut()
	require.Eventually(t, func() bool { return wire.count(basicConsume)-consumed >= consumers }, patience, time.Millisecond)
	t.Logf("%d consumers reconnected in %v with %d declares", consumers, time.Since(start).Round(time.Millisecond), wire.count(queueDeclare)-declared)
	require.LessOrEqual(t, wire.count(queueDeclare)-declared, 5*consumers, "one that was too early, or too late, begins anew")
}
