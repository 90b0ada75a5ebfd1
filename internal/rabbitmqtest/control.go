//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

const (
	callLimit = 10 * time.Second
	ctlLimit  = 30 * time.Second
)

// Ctl runs rabbitmqctl and returns what it printed. It takes half a second.
func (n *Node) Ctl(tb testing.TB, args ...string) string {
	tb.Helper()
	args = append([]string{"--quiet", "--node", n.address()}, args...)
	return n.run(tb, ctlLimit, n.cluster.installed.ctl, args...)
}

// Call evaluates an Erlang call in the node, such as "erlang node []", and returns the
// result as a term. It takes a few milliseconds.
func (n *Node) Call(tb testing.TB, call string) string {
	tb.Helper()
	return n.run(tb, callLimit, n.cluster.installed.erlCall, "-c", n.cluster.cookie, "-n", n.address(), "-a", call)
}

// eval evaluates an Erlang expression in the node and returns the result as a term. A
// node that hangs does not answer before ctx ends.
func (n *Node) eval(ctx context.Context, expression string) (string, error) {
	cmd := n.command(ctx, n.cluster.installed.erlCall, "-c", n.cluster.cookie, "-n", n.address(), "-e")
	cmd.Stdin = strings.NewReader(expression + ".\n")
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	result, ok := strings.CutPrefix(text, "{ok, ")
	if err != nil || !ok {
		return "", fmt.Errorf("evaluate in %s: %s: %w\n%s", n.name, expression, err, text)
	}
	return strings.TrimSuffix(result, "}"), nil
}

// awaitTrue waits until an Erlang expression is true in the node.
func (n *Node) awaitTrue(ctx context.Context, expression string) error {
	last := errors.New("not asked") // why it was not true
	err := poll(ctx, n.broker, func() bool {
		result, err := n.eval(ctx, expression)
		if err == nil && result != "true" {
			err = fmt.Errorf("%s: %s: %s", n.name, expression, result)
		}
		last = err
		return err == nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w\n%s", err, last, n.log(tailBytes))
	}
	return nil
}

func (n *Node) run(tb testing.TB, limit time.Duration, program string, args ...string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := n.command(ctx, program, args...)
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		tb.Fatalf("rabbitmqtest: %s: %v\n%s", cmd, err, text)
	}
	return text
}

// command is one of RabbitMQ's or Erlang's tools, to be used on the node.
func (n *Node) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = n.environment()
	cmd.WaitDelay = time.Second
	return cmd
}

// AddVhost adds a vhost, in which guest may do everything.
func (n *Node) AddVhost(tb testing.TB, name string) {
	tb.Helper()
	n.Ctl(tb, "add_vhost", name)
	n.permit(tb, "guest", name)
}

// AddUser adds a user who may do everything in the vhosts, and nothing elsewhere.
func (n *Node) AddUser(tb testing.TB, user, password string, vhosts ...string) {
	tb.Helper()
	n.Ctl(tb, "add_user", user, password)
	for _, vhost := range vhosts {
		n.permit(tb, user, vhost)
	}
}

func (n *Node) permit(tb testing.TB, user, vhost string) {
	tb.Helper()
	n.Ctl(tb, "set_permissions", "--vhost", vhost, user, ".*", ".*", ".*")
}

// callOK is [Node.Call] for what must return ok.
func (n *Node) callOK(tb testing.TB, call string) {
	tb.Helper()
	if result := n.Call(tb, call); result != "ok" {
		tb.Fatalf("rabbitmqtest: %s returned %s", call, result)
	}
}
