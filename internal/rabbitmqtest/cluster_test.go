//go:build unix

package rabbitmqtest_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestSharedClusterIsOneBrokerOfThreeNodes(t *testing.T) {
	t.Parallel()
	c := rabbitmqtest.SharedCluster(t)
	require.Same(t, c, rabbitmqtest.SharedCluster(t))
	require.Len(t, c.Nodes(), 3)
	queue := quorumQueue(t, c)
	for i, url := range c.URLs() {
		require.Equal(t, c.Nodes()[i].URL(), url)
		put(t, url, queue, url)
	}
	requireMessages(t, c.URLs()[0], queue, c.URLs()...)
	require.ElementsMatch(t, c.Nodes(), append(c.Followers(t, queue), c.Leader(t, queue)))
}

func TestAnyNodeCanBeMadeTheLeader(t *testing.T) {
	t.Parallel()
	c := rabbitmqtest.SharedCluster(t)
	queue := quorumQueue(t, c)
	for _, n := range slices.Concat(c.Nodes(), c.Nodes()[:1]) {
		c.Lead(t, queue, n)
		require.Same(t, n, c.Leader(t, queue))
		c.Lead(t, queue, n) // already
	}
}

func TestNodesOfAClusterAreNotForTheCallerToChange(t *testing.T) {
	t.Parallel()
	c := rabbitmqtest.SharedCluster(t)
	c.Nodes()[0] = nil
	require.NotNil(t, c.Nodes()[0])
}

func TestAClusterOfNoNodesFails(t *testing.T) {
	t.Parallel()
	require.Contains(t, failure(t, func(s *spy) { rabbitmqtest.StartCluster(s, 0) }), "at least")
}
