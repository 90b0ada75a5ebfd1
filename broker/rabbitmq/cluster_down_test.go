package rabbitmq_test

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// neighbours are a quorum queue, and classic queues on one node, in one topology.
type neighbours struct {
	work string
	down []string
}

func (n neighbours) topology() broker.Topology {
	t := broker.Topology{}
	for _, q := range n.down {
		t.Queues = append(t.Queues, broker.Queue{Name: q})
		t.Bindings = append(t.Bindings, broker.Binding{Exchange: "amq.topic", Queue: q, RoutingKey: q})
	}
	// Last, so that all the others come before it.
	t.Queues = append(t.Queues, broker.Queue{Name: n.work, Type: broker.Quorum})
	t.Bindings = append(t.Bindings, broker.Binding{Exchange: "amq.topic", Queue: n.work, RoutingKey: n.work})
	return t
}

// RabbitMQ 4.x answers no question about a classic queue whose node is down for 78 s; 3.10 refuses
// with a 404 at once. Either way the others flow within seconds, and the queue comes back with its
// node.
func TestQueuesOfANodeThatIsDownKeepNobodyFromTheOthers(t *testing.T) {
	t.Parallel()
	w := newSite(t)
	q := neighbours{work: name(t)}
	ch := raw(t, w.urls[1])
	for i := range 40 {
		q.down = append(q.down, fmt.Sprintf("%s-down-%d", q.work, i))
		_, err := ch.QueueDeclare(q.down[i], true, false, false, false, nil)
		require.NoError(t, err)
	}
	for _, n := range w.nodes {
		n.Sync(t)
	}
	wire, j := newWire(), &journal{}
	b, err := rabbitmq.Open(within(t), []string{w.urls[0], w.urls[2]}, wire.option(),
		j.option(), rabbitmq.Failover(failover.Backoff(50*time.Millisecond, rest)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	require.NoError(t, b.Declare(within(t), q.topology()))
	work, away := subscribe(t, b, q.work, 10), subscribe(t, b, q.down[0], 10)
	flows := func() time.Duration {
		start := time.Now()
		require.Eventually(t, func() bool {
			return b.Publisher().Publish(withinTime(t, time.Second), to(q.work), text("1")) == nil
		}, 2*patience, 10*time.Millisecond)
		msg, err := work.Receive(withinTime(t, 2*patience))
		require.NoError(t, err)
		require.NoError(t, msg.Ack())
		return time.Since(start).Round(time.Millisecond)
	}
	flows()

	w.nodes[1].Kill(t)
	t.Log("after the death of the node:", flows())
	for _, what := range []string{"connections that find it down", "connections that know that it is down"} {
		wire.cut((&net.Dialer{}).DialContext)
		took := flows()
		t.Logf("%s: %v", what, took)
		require.Less(t, took, 6*time.Second)
	}
	_, err = away.Receive(withinTime(t, 100*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded, "it waits")
	require.ErrorIs(t, b.Health(), rabbitmq.ErrQueueDown)
	require.ErrorContains(t, b.Health(), q.down[0])
	requireBounded(t, b, q.down[0])

	restart(t, w, w.nodes[1])
	back := time.Now()
	place := processor.Destination{Exchange: "amq.topic", RoutingKey: q.down[0]}
	require.Eventually(t, func() bool { return b.Publisher().Publish(within(t), place, text("back")) == nil }, patience, 10*time.Millisecond)
	require.NoError(t, receive(t, away).Ack())
	t.Log("the queue is back after its node:", time.Since(back).Round(time.Millisecond))
	require.Eventually(t, func() bool { return b.Health() == nil }, patience, 10*time.Millisecond, "%s", j)
}

// requireBounded requires that each question about a queue that is down fails in time, again and
// again.
func requireBounded(tb testing.TB, b *rabbitmq.Broker, queue string) {
	tb.Helper()
	t := broker.Topology{Queues: []broker.Queue{{Name: queue}}}
	for range 8 {
		start := time.Now()
		require.Error(tb, b.Redeclare(withinTime(tb, 300*time.Millisecond), t))
		_, err := b.Ready(withinTime(tb, 300*time.Millisecond), queue)
		require.Error(tb, err)
		_, err = b.Source(queue).Subscribe(withinTime(tb, 300*time.Millisecond), broker.SubscribeOptions{Prefetch: 1})
		require.Error(tb, err)
		require.Less(tb, time.Since(start), 3*time.Second)
	}
	other := broker.Topology{Queues: []broker.Queue{{Name: name(tb)}}}
	require.NoError(tb, b.Redeclare(within(tb), other), "its channels are not taken")
}
