//go:build unix

package rabbitmqtest

import "time"

// Directory is where the node keeps its files.
func (n *Node) Directory() string { return n.dir.path }

// Addresses are those that the node and its epmd listen on.
func (n *Node) Addresses() []string {
	return []string{loopback(n.port), loopback(n.distPort), loopback(n.cluster.epmd.port)}
}

// SetQuorumLimit bounds the waits for a queue's leader.
func (c *Cluster) SetQuorumLimit(d time.Duration) { c.quorumLimit = d }

// Lent notes how a single node is. What it returns waits until that is so again.
func (n *Node) Lent(tb TB) func(limit time.Duration) bool {
	tb.Helper()
	l, err := lend(tb, n.cluster)
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	return func(limit time.Duration) bool { return l.asItWas(tb, limit) }
}

// ReleaseOf tells the version from a directory of scripts, and Newest the newest directory.
var (
	ReleaseOf = releaseOf
	Newest    = newest
)
