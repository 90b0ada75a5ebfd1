//go:build unix

package rabbitmqtest

import (
	"context"
	"net/url"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Node is one RabbitMQ node on loopback. The methods that take a test fail it when
// they fail, so they are for the test's own goroutine. Those that stop and start the
// node must not be called at the same time as others.
type Node struct {
	installed installation
	config    config
	name      string // of the Erlang node, before the @: unique on this machine
	port      int
	distPort  int
	cookie    string
	dir       *directory
	epmd      *epmd
	broker    *process
}

// Start starts a node that is the test's own, and waits until it is ready. The node
// goes when the test ends.
func Start(tb testing.TB, opts ...Option) *Node {
	tb.Helper()
	n, err := start(opts...)
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	tb.Cleanup(func() {
		n.logFailure(tb)
		if err := n.close(); err != nil {
			tb.Errorf("rabbitmqtest: %v", err)
		}
	})
	return n
}

// URL returns amqp://guest:guest@127.0.0.1:port/. It stays the same for good.
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
func (n *Node) Kill(tb testing.TB) {
	tb.Helper()
	n.end(tb, syscall.SIGKILL, killLimit)
}

// Stop shuts the node down in good order, with SIGTERM, and waits until it is gone. Its
// data stays for [Node.Restart].
func (n *Node) Stop(tb testing.TB) {
	tb.Helper()
	n.end(tb, syscall.SIGTERM, stopLimit)
}

func (n *Node) end(tb testing.TB, sig syscall.Signal, limit time.Duration) {
	tb.Helper()
	if err := n.broker.end(sig, limit); err != nil {
		tb.Fatalf("rabbitmqtest: %s: %v", n.name, err)
	}
}

// Restart starts the node again, on the same data and the same ports, and waits until
// it is ready. A node that still runs is stopped first.
func (n *Node) Restart(tb testing.TB) {
	tb.Helper()
	n.Stop(tb)
	ctx, cancel := startContext()
	defer cancel()
	if err := n.startBroker(ctx); err != nil {
		tb.Fatalf("rabbitmqtest: restart %s: %v", n.name, err)
	}
}

// Pause hangs the node with SIGSTOP: connections stay open and nothing answers. It
// returns when every thread has stopped, which the signal does not wait for.
func (n *Node) Pause(tb testing.TB) {
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
}

// Resume lets a paused node go on.
func (n *Node) Resume(tb testing.TB) {
	tb.Helper()
	if err := n.broker.signal(syscall.SIGCONT); err != nil {
		tb.Fatalf("rabbitmqtest: resume %s: %v", n.name, err)
	}
}

func (n *Node) path(name string) string { return filepath.Join(n.dir.path, name) }

// address is the name of the Erlang node.
func (n *Node) address() string { return n.name + "@localhost" }
