//go:build unix

package rabbitmqtest

import (
	"net/url"
	"path/filepath"
	"syscall"
	"time"
)

// Node is one RabbitMQ node on loopback. The methods that take a test fail it when
// they fail, so they are for the test's own goroutine. Those that stop and start the
// node must not be called at the same time as others.
type Node struct {
	cluster  *Cluster
	name     string // of the Erlang node, before the @: unique on this machine
	port     int
	distPort int
	dir      *directory
	broker   *process
	started  bool // it has been ready since its process began
	paused   bool // hung by Pause
	cutOff   bool // by Partition
}

// Start starts a node for one test, and waits until it is ready. The node
// is removed when the test ends.
func Start(tb TB, opts ...Option) *Node {
	tb.Helper()
	return StartCluster(tb, 1, opts...).nodes[0]
}

// URL returns amqp://guest:guest@127.0.0.1:port/. It never changes.
func (n *Node) URL() string { return n.URLFor("guest", "guest", "/") }

// URLFor returns the URL of another user or vhost; see [Node.AddUser].
func (n *Node) URLFor(user, password, vhost string) string {
	u := url.URL{Scheme: "amqp", Host: loopback(n.port), User: url.UserPassword(user, password)}
	if vhost == "/" {
		return u.String() + "/"
	}
	return u.String() + "/" + url.PathEscape(vhost)
}

// Kill ends the node at once, with SIGKILL. Its data stays for [Node.Restart].
func (n *Node) Kill(tb TB) {
	tb.Helper()
	n.end(tb, syscall.SIGKILL, killLimit)
}

// Stop shuts the node down in good order, with SIGTERM, and waits until it is gone. Its
// data stays for [Node.Restart]. A paused node is resumed for it.
func (n *Node) Stop(tb TB) {
	tb.Helper()
	if n.paused {
		if err := n.goOn(); err != nil {
			tb.Fatalf("rabbitmqtest: stop %s: %v", n.name, err)
		}
	}
	n.end(tb, syscall.SIGTERM, stopLimit)
}

func (n *Node) end(tb TB, sig syscall.Signal, limit time.Duration) {
	tb.Helper()
	if err := n.broker.end(sig, limit); err != nil {
		tb.Fatalf("rabbitmqtest: %s: %v", n.name, err)
	}
}

func (n *Node) path(name string) string { return filepath.Join(n.dir.path, name) }

// address is the name of the Erlang node.
func (n *Node) address() string { return n.name + "@localhost" }
