//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
)

// form starts the nodes and makes them a cluster.
//
// Nodes that look for one another as equals settle who is first with a lock, and sleep for
// seconds between their tries: three take 12 to 17 s. So the first node looks for nobody,
// and the others for it, with tries that are milliseconds apart. They start at the same
// time for all that, but cannot reach the first before it is ready: a node that joins one
// that is still starting may get only some of its feature flags, and no quorum queues.
func (c *Cluster) form(ctx context.Context) error {
	first := c.nodes[0]
	first.cutOff = true
	if err := each(c.nodes, (*Node).startBroker); err != nil {
		return err
	}
	if err := first.awaitReady(ctx); err != nil {
		return err
	}
	first.cutOff = false
	return c.join(ctx, first)
}

// formation is what the node's rabbitmq.conf says of its cluster; of a single node, nothing.
func (n *Node) formation() []string {
	nodes := n.cluster.nodes
	if len(nodes) == 1 {
		return nil
	}
	lines := []string{
		"cluster_partition_handling = pause_minority",
		"net_ticktime = 5",
	}
	if n == nodes[0] {
		return lines
	}
	// A node that joins holds a lock on all that are listed here, so that one joins at a
	// time. It joins the one whose name sorts first, if it can.
	for i, peer := range nodes {
		lines = append(lines, fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s", i+1, peer.address()))
	}
	// Both go on for longer than startLimit: a node that gave up would start alone.
	return append(lines,
		"cluster_formation.discovery_retry_limit = 10000",
		"cluster_formation.discovery_retry_interval = 20",
		"cluster_formation.internal_lock_retries = 1",
		"cluster_formation.lock_retry_limit = 10000",
		"cluster_formation.lock_retry_timeout = 20",
	)
}
