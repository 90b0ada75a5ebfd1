package rabbitmq_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Settings of a program that must notice within seconds.
const (
	heartbeat = 2 * time.Second
	answer    = 3 * time.Second
	rest      = time.Second // at most, between rounds
	closing   = answer + 2*time.Second
	cutOffFor = 6 * time.Second // until a node that is cut off and does not pause is left
)

// site is a cluster that is broken and repaired.
type site struct {
	*rabbitmqtest.Cluster

	nodes []*rabbitmqtest.Node
	urls  []string
}

func newSite(tb testing.TB, opts ...rabbitmqtest.Option) *site {
	tb.Helper()
	// How long a quorum queue waits for the queue that it dead-letters to, before it tries again.
	// The default is 180 s.
	opts = append(opts, rabbitmqtest.Setting("dead_letter_worker_publisher_confirm_timeout", "1000"))
	c := rabbitmqtest.StartCluster(tb, 3, opts...)
	return &site{Cluster: c, nodes: c.Nodes(), urls: c.URLs()}
}

// open opens a broker on all nodes. The publishing connection begins on one of them, by its number,
// and the consuming one on another.
func (w *site) open(tb testing.TB, publishing, consuming int, opts ...failover.Option) (*rabbitmq.Broker, *journal) {
	tb.Helper()
	opts = append([]failover.Option{
		failover.Heartbeat(heartbeat), failover.ConnectTimeout(answer), failover.AnswerTimeout(answer),
		failover.Backoff(50*time.Millisecond, rest), failover.LeaveCutOff(cutOffFor),
	}, opts...)
	for range 100 { // which connection asks for the order first is random
		j := &journal{}
		opts := append(slices.Clone(opts), failover.InOrder(beginOn(publishing, consuming)))
		b, err := rabbitmq.Open(within(tb), w.urls, j.option(), rabbitmq.Failover(opts...))
		require.NoError(tb, err)
		tb.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			_ = b.Close(ctx)
		})
		if strings.Contains(w.urls[publishing], b.Publishing().State().Node) &&
			strings.Contains(w.urls[consuming], b.Consuming().State().Node) {
			return b, j
		}
		require.NoError(tb, b.Close(within(tb)))
	}
	tb.Fatal("the connections are not where they were wanted")
	return nil, nil
}

// beginOn makes the first connection that asks begin on one node, the second on another, and takes
// the nodes in turn after that.
func beginOn(nodes ...int) failover.Order {
	var asked atomic.Int32
	return func(inTurn []failover.Endpoint) iter.Seq[failover.Endpoint] {
		if n := int(asked.Add(1)); n <= len(nodes) {
			i := slices.IndexFunc(inTurn, func(e failover.Endpoint) bool { return e.Number() == nodes[n-1]+1 })
			inTurn = slices.Concat(inTurn[i:], inTurn[:i])
		}
		return slices.Values(inTurn)
	}
}

// queues declares a stream's queues, led by one node, and returns the work queue. They are deleted
// when the test ends.
func (w *site) queues(tb testing.TB, leader int) string {
	tb.Helper()
	work := name(tb)
	b := open(tb, w.urls[leader])
	t := topology(tb, work)
	require.NoError(tb, b.Declare(within(tb), t))
	require.NoError(tb, b.Close(within(tb)))
	for _, q := range t.Queues {
		require.Same(tb, w.nodes[leader], w.Leader(tb, q.Name))
	}
	for _, n := range w.nodes {
		n.Sync(tb)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			return
		}
		ch := raw(tb, w.urls[0])
		for _, q := range t.Queues {
			_, _ = ch.QueueDelete(q.Name, false, false, false)
		}
	})
	return work
}

// start starts a stream on queues of its own that node leader leads, and waits until it flows.
func (w *site) start(tb testing.TB, leader, publishing, consuming int, opts ...failover.Option) *stream {
	tb.Helper()
	work := w.queues(tb, leader)
	b, j := w.open(tb, publishing, consuming, opts...)
	require.NoError(tb, b.Declare(within(tb), topology(tb, work)))
	s := startStream(tb, b, j, work)
	s.flows(tb)
	return s
}

// harm is a way to break a node, and to repair it.
type harm struct {
	name       string
	harm, mend func(testing.TB, *site, *rabbitmqtest.Node)
}

var (
	kill   = harm{"kill", func(tb testing.TB, _ *site, n *rabbitmqtest.Node) { tb.Helper(); n.Kill(tb) }, restart}
	stop   = harm{"stop", func(tb testing.TB, _ *site, n *rabbitmqtest.Node) { tb.Helper(); n.Stop(tb) }, restart}
	hang   = harm{"hang", func(tb testing.TB, _ *site, n *rabbitmqtest.Node) { tb.Helper(); n.Pause(tb) }, resume}
	cutOff = harm{"cut off", func(tb testing.TB, w *site, n *rabbitmqtest.Node) { tb.Helper(); w.Partition(tb, n) }, heal}
)

func restart(tb testing.TB, _ *site, n *rabbitmqtest.Node) { tb.Helper(); n.Restart(tb) }
func resume(tb testing.TB, _ *site, n *rabbitmqtest.Node)  { tb.Helper(); n.Resume(tb) }
func heal(tb testing.TB, w *site, n *rabbitmqtest.Node)    { tb.Helper(); w.Heal(tb, n) }

// harm harms nodes, by their number.
func (s *stream) harm(tb testing.TB, w *site, h harm, nodes ...int) {
	tb.Helper()
	for _, i := range nodes {
		s.harmed++
		h.harm(tb, w, w.nodes[i])
	}
}
