//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"strings"
)

// Partition cuts the node off from the other nodes, but not from its clients, and returns
// when both sides have noticed. By default a node without a majority has paused then, if its
// release does ([Release.PausesMinority]): it has closed its connections and accepts none. Each node
// that is cut off is alone, also if there are several. A node that is down or hangs cannot be cut off.
func (c *Cluster) Partition(tb TB, n *Node) {
	tb.Helper()
	ctx, cancel := within(tb, startLimit)
	defer cancel()
	if !n.running() || n.cutOff {
		tb.Fatalf("rabbitmqtest: partition %s: it is down, hangs or is cut off already", n.name)
	}
	n.cutOff = true
	if err := c.cut(ctx, n); err != nil {
		tb.Fatalf("rabbitmqtest: partition %s: %v", n.name, err)
	}
}

func (c *Cluster) cut(ctx context.Context, n *Node) error {
	if err := c.setCookies(ctx); err != nil {
		return err
	}
	// All connections at once. If a node could reach this one through another for a
	// moment, it would see a partial partition, and pause until all nodes are back.
	if _, err := n.ask(ctx, "lists:foreach(fun erlang:disconnect_node/1, nodes())"); err != nil {
		return err
	}
	return c.awaitNoticed(ctx)
}

const (
	lostExpression   = `%s -- nodes() =:= %[1]s`
	pausedExpression = ` andalso
(application:get_env(rabbit, cluster_partition_handling) =/= {ok, pause_minority} orelse
 not rabbit:is_running())`
)

// awaitNoticed waits until the nodes that run have lost those that they cannot reach, and
// have paused if their release does.
func (c *Cluster) awaitNoticed(ctx context.Context) error {
	return each(c.running(), func(n *Node) error {
		reached, lost := c.view(n)
		noticed := fmt.Sprintf(lostExpression, erlangNodes(lost))
		if c.installed.release.PausesMinority() && c.minority(reached) {
			noticed += pausedExpression
		}
		return n.awaitTrue(ctx, noticed)
	})
}

// Heal joins a node that [Cluster.Partition] has cut off with those that are not, and
// waits until they are one cluster. A node that was killed in the meantime can be
// restarted then.
func (c *Cluster) Heal(tb TB, n *Node) {
	tb.Helper()
	ctx, cancel := within(tb, startLimit)
	defer cancel()
	n.cutOff = false
	if err := c.join(ctx, n); err != nil {
		tb.Fatalf("rabbitmqtest: heal %s: %v", n.name, err)
	}
}

func (c *Cluster) join(ctx context.Context, n *Node) error {
	if err := c.setCookies(ctx); err != nil {
		return err
	}
	if n.running() {
		reached, _ := c.view(n)
		if _, err := n.ask(ctx, fmt.Sprintf("lists:foreach(fun net_adm:ping/1, %s)", erlangNodes(reached))); err != nil {
			return err
		}
	}
	return c.awaitStarted(ctx)
}

// setCookies gives each node that runs the cookie of every other. Two nodes that are cut
// off from each other have different wrong ones: with the same they would connect.
func (c *Cluster) setCookies(ctx context.Context) error {
	if len(c.nodes) == 1 {
		return nil
	}
	return each(c.running(), func(n *Node) error {
		var calls []string
		for _, peer := range c.nodes {
			if peer != n {
				calls = append(calls, fmt.Sprintf("erlang:set_cookie('%s', '%s')", peer.address(), n.cookieFor(peer)))
			}
		}
		_, err := n.ask(ctx, strings.Join(calls, ", "))
		return err
	})
}

// cookieArguments keep a node that is started again from those that are cut off.
func (n *Node) cookieArguments() string {
	var arguments strings.Builder
	for _, peer := range n.cluster.nodes {
		if peer.cutOff && peer != n {
			fmt.Fprintf(&arguments, " -setcookie %s %s", peer.address(), n.cookieFor(peer))
		}
	}
	return arguments.String()
}

func (n *Node) cookieFor(peer *Node) string {
	if n.cutOff || peer.cutOff {
		return "cut-off-by-" + n.name
	}
	return n.cluster.cookie
}

// view divides the nodes that run, into those that n can reach, itself too, and the others.
func (c *Cluster) view(n *Node) (reached, lost []*Node) {
	for _, peer := range c.running() {
		if peer == n || !peer.cutOff && !n.cutOff {
			reached = append(reached, peer)
		} else {
			lost = append(lost, peer)
		}
	}
	return reached, lost
}
