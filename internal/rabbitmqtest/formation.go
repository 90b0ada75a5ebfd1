//go:build unix

package rabbitmqtest

import "context"

// form starts the nodes and makes them a cluster.
//
// Nodes that look for one another as equals decide with a lock which is first, and sleep for
// seconds between their tries: three take 12 to 17 s. So the first node looks for no other,
// and the others only for the first, once it is ready: a node that joins one that is still
// starting may get only some of its feature flags, and no quorum queues. From 4.0 a node
// that has to look twice starts another Erlang for each try.
func (c *Cluster) form(ctx context.Context) error {
	first, others := c.nodes[0], c.nodes[1:]
	if err := first.startBroker(); err != nil {
		return err
	}
	if err := first.awaitReady(ctx); err != nil {
		return err
	}
	if err := each(others, (*Node).startBroker); err != nil {
		return err
	}
	return c.awaitStarted(ctx)
}

// formation is what the node's rabbitmq.conf says of its cluster; of a single node, nothing.
func (n *Node) formation() []string {
	nodes := n.cluster.nodes
	if len(nodes) == 1 {
		return nil
	}
	common := []string{ //nolint:prealloc // the count does not matter
		"cluster_partition_handling = pause_minority",
		"net_ticktime = 5",
	}
	if n == nodes[0] {
		return common
	}
	// A node that joins holds a lock on those that are listed here, so that one joins the
	// first at a time. It tries for longer than startLimit: one that gave up would start alone.
	return append(common,
		"cluster_formation.classic_config.nodes.1 = "+nodes[0].address(),
		"cluster_formation.classic_config.nodes.2 = "+n.address(),
		"cluster_formation.discovery_retry_limit = 10000",
		"cluster_formation.discovery_retry_interval = 20",
		"cluster_formation.internal_lock_retries = 1",
		"cluster_formation.lock_retry_limit = 10000",
		"cluster_formation.lock_retry_timeout = 20",
	)
}
