//go:build unix

package rabbitmqtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
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
