//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"syscall"
)

// Pause hangs the node with SIGSTOP: connections stay open and nothing answers. It
// returns when every thread has stopped, which the signal does not wait for.
func (n *Node) Pause(tb TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	err := n.broker.signal(syscall.SIGSTOP)
	if err == nil {
		err = poll(ctx, n.broker, func() bool { return stopped(n.broker.handle.Pid) })
	}
	if err != nil {
		tb.Fatalf("rabbitmqtest: pause %s: %v", n.name, err)
	}
	n.paused = true
}

// Resume lets a paused node go on. Nodes that waited for it longer than net_ticktime have left it;
// then by default it pauses without a majority, if its release does, and joins them again. Resume
// waits for that.
func (n *Node) Resume(tb TB) {
	tb.Helper()
	ctx, cancel := within(tb, startLimit)
	defer cancel()
	left, err := n.left(ctx)
	switch {
	case err != nil:
	case left:
		err = n.rejoin(ctx)
	default:
		err = n.goOn()
	}
	if err != nil {
		tb.Fatalf("rabbitmqtest: resume %s: %v", n.name, err)
	}
}

func (n *Node) goOn() error {
	n.paused = false
	return n.broker.signal(syscall.SIGCONT)
}

// left reports whether a member of its cluster has left the node.
func (n *Node) left(ctx context.Context) (bool, error) {
	if !n.paused || n.cutOff {
		return false, nil
	}
	members := selected(n.cluster.members(), func(n *Node) bool { return n.started })
	for _, peer := range members {
		sees, err := peer.ask(ctx, fmt.Sprintf("lists:member('%s', nodes())", n.address()))
		if err != nil || sees == "false" {
			return true, err
		}
	}
	return false, nil
}

// rejoin resumes a node that was left, such that it notices. If it could connect again at
// once, it would not pause, and would stay in the cluster with different data: that
// breaks a RabbitMQ cluster, and this one is still needed.
func (n *Node) rejoin(ctx context.Context) error {
	c := n.cluster
	n.cutOff = true
	if err := c.setCookies(ctx); err != nil {
		return err
	}
	leave := fmt.Sprintf("erlang:disconnect_node('%s')", n.address())
	err := each(c.running(), func(peer *Node) error {
		_, err := peer.ask(ctx, leave)
		return err
	})
	if err != nil {
		return err
	}
	if err := n.goOn(); err != nil {
		return err
	}
	if err := c.awaitNoticed(ctx); err != nil {
		return err
	}
	n.cutOff = false
	return c.join(ctx, n)
}
