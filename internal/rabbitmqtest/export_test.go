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

// ReleaseOf tells the version from a directory of scripts, and Newest the newest directory.
var (
	ReleaseOf = releaseOf
	Newest    = newest
)
