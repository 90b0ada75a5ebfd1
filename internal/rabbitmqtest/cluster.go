//go:build unix

package rabbitmqtest

import (
	"errors"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Cluster is a broker of several RabbitMQ nodes on loopback. The methods that take a
// test fail it when they fail, so they are for the test's own goroutine. Those that stop,
// start or cut off nodes must not be called at the same time as others.
type Cluster struct {
	installed installation
	config    config
	cookie    string // the password of the nodes and the tools
	epmd      *epmd
	nodes     []*Node

	quorumLimit time.Duration
}

// StartCluster starts a cluster of size nodes that is the test's own, and waits until
// each of them serves clients and sees all others, so that a quorum queue can have
// a replica on each. It is removed when the test ends.
//
// Nodes without a majority pause (cluster_partition_handling = pause_minority) if their
// release does ([Release.PausesMinority]), and a node that hangs counts as down after 5 to 6 s
// (net_ticktime = 5). [Config] overrides both.
func StartCluster(tb TB, size int, opts ...Option) *Cluster {
	tb.Helper()
	c, err := startCluster(tb, size, opts...)
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	tb.Cleanup(func() {
		c.logFailure(tb)
		if err := c.close(); err != nil {
			tb.Errorf("rabbitmqtest: %v", err)
		}
	})
	return c
}

// Nodes returns the nodes, up or down, in the same order each time.
func (c *Cluster) Nodes() []*Node { return slices.Clone(c.nodes) }

// URLs returns the URLs of the nodes, in the order of [Cluster.Nodes].
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = n.URL()
	}
	return urls
}

// logFailure prints the logs of the nodes if the test failed and the logs are wanted.
func (c *Cluster) logFailure(tb TB) {
	tb.Helper()
	for _, n := range c.nodes {
		n.logFailure(tb)
	}
}

// close ends the nodes and removes what they wrote. It works at any stage of a start.
func (c *Cluster) close() error {
	err := each(c.nodes, (*Node).close)
	if c.epmd != nil {
		err = errors.Join(err, c.epmd.end(syscall.SIGKILL, killLimit))
	}
	return err
}

// each calls do for all nodes at once.
func each(nodes []*Node, do func(*Node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { errs[i] = do(n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// running returns the nodes that have a process, and not one that hangs.
func (c *Cluster) running() []*Node {
	return selected(c.nodes, (*Node).running)
}

// selected returns the nodes for which ok.
func selected(nodes []*Node, ok func(*Node) bool) []*Node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n *Node) bool { return !ok(n) })
}
