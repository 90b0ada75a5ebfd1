//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
)

// nodes counts the nodes of this process, for their names, which sort in this order.
var nodes atomic.Int64

func newNode(c *Cluster) *Node {
	return &Node{cluster: c, name: fmt.Sprintf("warren-%d-%06d", os.Getpid(), nodes.Add(1))}
}

// prepare gives the node everything but its broker. All nodes of the cluster must be known.
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
		"rabbitmq.conf":   n.cluster.config.file(n.formation()),
		"enabled_plugins": n.cluster.config.pluginsFile(),
		".erlang.cookie":  n.cluster.cookie,
	} {
		if err := os.WriteFile(n.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// startBroker starts the process.
func (n *Node) startBroker() error {
	console, err := os.OpenFile(n.path(consoleLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = console.Close() }()
	cmd := exec.Command(n.cluster.installed.server) //nolint:noctx // it runs until it is told to end
	cmd.Dir = n.dir.path
	cmd.Env = n.environment()
	cmd.Stdout, cmd.Stderr = console, console
	n.paused, n.started = false, false
	n.broker, err = startProcess(cmd)
	return err
}

// close ends the node and removes what it wrote. It works at any stage of a start.
func (n *Node) close() error {
	var errs []error
	if n.broker != nil {
		errs = append(errs, n.broker.end(syscall.SIGKILL, killLimit))
	}
	if n.dir != nil {
		errs = append(errs, n.dir.remove())
	}
	return errors.Join(errs...)
}
