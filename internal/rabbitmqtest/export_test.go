//go:build unix

package rabbitmqtest

// Directory is where the node keeps its files.
func (n *Node) Directory() string { return n.dir.path }

// Addresses are those that the node and its epmd listen on.
func (n *Node) Addresses() []string {
	return []string{loopback(n.port), loopback(n.distPort), loopback(n.epmd.port)}
}
