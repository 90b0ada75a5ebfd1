//go:build unix

package rabbitmqtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 60 * time.Second
	stopLimit  = 30 * time.Second
	killLimit  = 10 * time.Second

	// startTries allows for a port that somebody else takes between the choice and
	// the start.
	startTries = 2
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

// Pause hangs the node with SIGSTOP: connections stay open and nothing answers.
func (n *Node) Pause(tb testing.TB) {
	tb.Helper()
	n.signal(tb, syscall.SIGSTOP)
}

// Resume lets a paused node go on.
func (n *Node) Resume(tb testing.TB) {
	tb.Helper()
	n.signal(tb, syscall.SIGCONT)
}

func (n *Node) signal(tb testing.TB, sig syscall.Signal) {
	tb.Helper()
	if err := n.broker.signal(sig); err != nil {
		tb.Fatalf("rabbitmqtest: %s: %v", n.name, err)
	}
}

func startContext() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), startLimit,
		fmt.Errorf("not ready after %v", startLimit))
}

// start starts a node, with new ports for each try.
func start(opts ...Option) (*Node, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	installed, err := findInstallation()
	if err != nil {
		return nil, err
	}
	var n *Node
	for range startTries {
		n, err = startOnce(installed, c)
		if !errors.Is(err, errExited) {
			break
		}
	}
	return n, err
}

// nodes counts the nodes of this process, for their names.
var nodes atomic.Int64

func startOnce(installed installation, c config) (*Node, error) {
	n := &Node{
		installed: installed,
		config:    c,
		name:      fmt.Sprintf("warren-%d-%d", os.Getpid(), nodes.Add(1)),
		cookie:    rand.Text(),
	}
	ctx, cancel := startContext()
	defer cancel()
	if err := n.prepare(ctx); err != nil {
		return nil, errors.Join(err, n.close())
	}
	if err := n.startBroker(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start RabbitMQ: %w", err), n.close())
	}
	return n, nil
}

// prepare gives the node all it needs but its process.
func (n *Node) prepare(ctx context.Context) error {
	var err error
	if n.port, err = freePort(ctx); err != nil {
		return err
	}
	if n.distPort, err = freePort(ctx); err != nil {
		return err
	}
	if n.dir, err = newDirectory(); err != nil {
		return err
	}
	for name, content := range map[string]string{
		"rabbitmq.conf":   n.config.file(),
		"enabled_plugins": n.config.pluginsFile(),
		".erlang.cookie":  n.cookie,
	} {
		if err := os.WriteFile(n.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	n.epmd, err = startEPMD(ctx, n.installed.epmd)
	return err
}

// startBroker starts the process and waits until the node is ready.
func (n *Node) startBroker(ctx context.Context) error {
	console, err := os.OpenFile(n.path(consoleLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	cmd := exec.Command(n.installed.server) //nolint:noctx // it outlives ctx, which bounds its start
	cmd.Dir = n.dir.path
	cmd.Env = n.environment()
	cmd.Stdout, cmd.Stderr = console, console
	if n.broker, err = startProcess(cmd); err != nil {
		return err
	}
	if err := poll(ctx, n.broker, func() bool { return greets(ctx, n.port, n.name+"@") }); err != nil {
		return fmt.Errorf("%w\n%s", err, n.log(tailBytes))
	}
	return nil
}

// close ends the node and removes what it wrote. It works at any stage of a start.
func (n *Node) close() error {
	var errs []error
	if n.broker != nil {
		errs = append(errs, n.broker.end(syscall.SIGKILL, killLimit))
	}
	if n.epmd != nil {
		errs = append(errs, n.epmd.end(syscall.SIGKILL, killLimit))
	}
	if n.dir != nil {
		errs = append(errs, n.dir.remove())
	}
	return errors.Join(errs...)
}

func (n *Node) path(name string) string { return filepath.Join(n.dir.path, name) }

// address is the name of the Erlang node.
func (n *Node) address() string { return n.name + "@localhost" }
