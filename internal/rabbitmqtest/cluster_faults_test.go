//go:build unix

package rabbitmqtest_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// One after the other, on one cluster: each leaves it whole.
func TestClusterFaults(t *testing.T) {
	t.Parallel()
	c := rabbitmqtest.StartCluster(t, 3)
	for _, fault := range []struct {
		name string
		test func(*testing.T, *rabbitmqtest.Cluster)
	}{
		{"a killed leader is replaced and comes back", testKilledLeader},
		{"a paused leader is replaced and comes back", testPausedLeader},
		{"a leader that is cut off is replaced and comes back", testPartition},
		{"without a majority nothing is served", testMajority},
		{"all killed, and started in any order", testAllKilled},
	} {
		if !t.Run(fault.name, func(t *testing.T) { fault.test(t, c) }) {
			return // the cluster may not be whole
		}
	}
}

func testKilledLeader(t *testing.T, c *rabbitmqtest.Cluster) {
	t.Helper()
	queue := quorumQueue(t, c)
	put(t, c.URLs()[0], queue, "before")
	killed := c.Leader(t, queue)
	killed.Kill(t)
	start := time.Now()
	leader := c.Leader(t, queue)
	require.Less(t, time.Since(start), soon)
	require.NotSame(t, killed, leader)
	require.Contains(t, c.Followers(t, queue), killed)
	put(t, leader.URL(), queue, "during")

	killed.Restart(t)
	requireMessages(t, killed.URL(), queue, "before", "during")
}

func testPausedLeader(t *testing.T, c *rabbitmqtest.Cluster) {
	t.Helper()
	queue := quorumQueue(t, c)
	put(t, c.URLs()[0], queue, "before")
	paused := c.Leader(t, queue)
	paused.Pause(t)
	leader := c.Leader(t, queue)
	require.NotSame(t, paused, leader)
	put(t, leader.URL(), queue, "during")

	paused.Resume(t)
	if rabbitmqtest.Version(t).PausesMinority() {
		require.Equal(t, "[]", paused.Call(t, "rabbit_node_monitor partitions []"), "it has joined again, not just connected")
	}
	requireMessages(t, paused.URL(), queue, "before", "during")
}

func testPartition(t *testing.T, c *rabbitmqtest.Cluster) {
	t.Helper()
	queue := quorumQueue(t, c)
	put(t, c.URLs()[0], queue, "before")
	lonely := c.Leader(t, queue)
	closed := dial(t, lonely.URL()).NotifyClose(make(chan *amqp.Error, 1))

	c.Partition(t, lonely)
	if rabbitmqtest.Version(t).PausesMinority() {
		require.NotNil(t, receive(t, closed))
		_, err := amqp.Dial(lonely.URL())
		require.Error(t, err, "a paused node serves nobody")
	} else {
		dial(t, lonely.URL())
		require.Empty(t, closed, "its clients stay")
	}
	leader := c.Leader(t, queue)
	require.NotSame(t, lonely, leader)
	put(t, leader.URL(), queue, "during")
	require.Contains(t, failure(t, func(s *spy) { c.Partition(s, lonely) }), "cut off")
	require.Contains(t, failure(t, func(s *spy) { lonely.Restart(s) }), "heal it first")

	leader.Restart(t)
	require.Equal(t, "[]", lonely.Call(t, "erlang nodes []"), "a node that is started again keeps away")

	c.Heal(t, lonely)
	requireMessages(t, lonely.URL(), queue, "before", "during")
}

func testMajority(t *testing.T, c *rabbitmqtest.Cluster) {
	t.Helper()
	queue := quorumQueue(t, c)
	put(t, c.URLs()[0], queue, "before")
	rest, killed := c.Leader(t, queue), c.Followers(t, queue)
	for _, n := range killed {
		n.Kill(t)
	}
	c.SetQuorumLimit(time.Second)
	require.Contains(t, failure(t, func(s *spy) { c.AwaitQuorum(s, queue) }), "no leader")
	c.SetQuorumLimit(soon)
	if rabbitmqtest.Version(t).PausesMinority() {
		requireSilent(t, rest.Addresses()[0])
	} else {
		dial(t, rest.URL())
	}
	c.Partition(t, rest)
	c.Heal(t, rest) // there is no node to wait for
	killed[0].Restart(t)
	c.AwaitQuorum(t, queue)
	put(t, rest.URL(), queue, "during")
	requireMessages(t, killed[0].URL(), queue, "before", "during")
	killed[1].Restart(t)
}

func testAllKilled(t *testing.T, c *rabbitmqtest.Cluster) {
	t.Helper()
	queue := quorumQueue(t, c)
	for _, url := range c.URLs() {
		put(t, url, queue, url)
	}
	for _, n := range c.Nodes() {
		n.Kill(t)
	}
	for _, n := range c.Nodes() { // the first to go down is the first to be started
		n.Restart(t)
	}
	c.AwaitQuorum(t, queue)
	requireMessages(t, c.URLs()[2], queue, c.URLs()...)
}
