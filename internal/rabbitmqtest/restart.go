//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
)

// Restart starts the node again, on the same data and the same ports, and waits until
// it is ready and back in its cluster. A node that still runs is stopped first.
//
// Before 4.2 a node starts only when the last of its cluster to go down is back, and on every
// version one without a majority does not serve. So if no other
// node is up, or too few are, Restart starts the process and returns; the call that makes
// the nodes a majority, or complete if none was up, waits for all. Restart all of them,
// in any order.
//
// A node that is cut off cannot be restarted: see [Cluster.Heal].
func (n *Node) Restart(tb TB) {
	tb.Helper()
	if n.cutOff {
		tb.Fatalf("rabbitmqtest: restart %s: it is cut off and would wait for the others for minutes: heal it first", n.name)
	}
	n.Stop(tb)
	ctx, cancel := within(tb, startLimit)
	defer cancel()
	err := n.startBroker()
	if err == nil {
		err = n.cluster.awaitStarted(ctx)
	}
	if err != nil {
		tb.Fatalf("rabbitmqtest: restart %s: %v", n.name, err)
	}
}

// awaitStarted is awaitMembers, unless the members wait for others to be started.
func (c *Cluster) awaitStarted(ctx context.Context) error {
	members := c.members()
	up := selected(members, func(n *Node) bool { return n.started })
	if len(members) < len(c.nodes) && (len(up) == 0 || c.minority(members)) {
		return nil
	}
	return awaitMembers(ctx, members)
}

// memberExpression is true in a node whose own pause is over, and which sees all nodes run with
// the same data; a node that was left has to fetch that. During its pause it would not
// pause again. With cluster_partition_handling = ignore split data is allowed.
const memberExpression = `
lists:all(fun rabbit:is_running/1, %[1]s) andalso
whereis(rabbit_outside_app_process) =:= undefined andalso
(application:get_env(rabbit, cluster_partition_handling) =:= {ok, ignore} orelse
 %[1]s -- rabbit_nodes:all_running() =:= [])`

// awaitMembers waits until each of the nodes serves clients and is a member of the same
// cluster as the others.
func awaitMembers(ctx context.Context, nodes []*Node) error {
	if err := each(nodes, func(n *Node) error { return n.awaitReady(ctx) }); err != nil {
		return err
	}
	expression := fmt.Sprintf(memberExpression, erlangNodes(nodes))
	return each(nodes, func(n *Node) error { return n.awaitTrue(ctx, expression) })
}

// awaitReady waits until the node serves clients.
func (n *Node) awaitReady(ctx context.Context) error {
	if err := poll(ctx, n.broker, func() bool { return greets(ctx, n.port, n.name+"@") }); err != nil {
		return fmt.Errorf("%s: %w\n%s", n.name, err, n.log(tailBytes))
	}
	n.started = true
	return nil
}

// members returns the nodes that run and are not cut off.
func (c *Cluster) members() []*Node {
	return selected(c.running(), func(n *Node) bool { return !n.cutOff })
}

// minority reports whether the nodes are half of the cluster or less.
func (c *Cluster) minority(nodes []*Node) bool { return 2*len(nodes) <= len(c.nodes) }

// running reports whether the node has a process, and not one that hangs.
func (n *Node) running() bool { return n.broker.running() && !n.paused }
