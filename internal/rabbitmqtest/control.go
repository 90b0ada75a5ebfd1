//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

const (
	callLimit = 10 * time.Second
	ctlLimit  = 30 * time.Second
)

// Ctl runs rabbitmqctl and returns what it printed. It takes half a second.
func (n *Node) Ctl(tb TB, args ...string) string {
	tb.Helper()
	args = append([]string{"--quiet", "--node", n.address()}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), ctlLimit)
	defer cancel()
	return output(tb, n.command(ctx, n.cluster.installed.ctl, args...))
}

// Call evaluates an Erlang call in the node, such as "erlang node []", and returns the
// result as a term. It takes a few milliseconds.
func (n *Node) Call(tb TB, call string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	return output(tb, n.erlCall(ctx, "-a", call))
}

// calls counts the calls of this process, for the names that they go by.
var calls atomic.Int64

// erlCall is Erlang's tool to call the node. It is a node itself, and refused while one of
// the same name is there: by default all have the same, and the random ones that it offers
// change every second.
func (n *Node) erlCall(ctx context.Context, args ...string) *exec.Cmd {
	name := fmt.Sprintf("call-%d-%d", os.Getpid(), calls.Add(1))
	args = append([]string{"-h", name, "-c", n.cluster.cookie, "-n", n.address()}, args...)
	return n.command(ctx, n.cluster.installed.erlCall, args...)
}

// output runs a command and returns what it printed.
func output(tb TB, cmd *exec.Cmd) string {
	tb.Helper()
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
func (n *Node) AddVhost(tb TB, name string) {
	tb.Helper()
	n.Ctl(tb, "add_vhost", name)
	n.permit(tb, "guest", name)
}

// AddUser adds a user who may do everything in the vhosts, and nothing elsewhere.
func (n *Node) AddUser(tb TB, user, password string, vhosts ...string) {
	tb.Helper()
	n.Ctl(tb, "add_user", user, password)
	for _, vhost := range vhosts {
		n.permit(tb, user, vhost)
	}
}

func (n *Node) permit(tb TB, user, vhost string) {
	tb.Helper()
	n.Ctl(tb, "set_permissions", "--vhost", vhost, user, ".*", ".*", ".*")
}

// callOK is [Node.Call] for what must return ok.
func (n *Node) callOK(tb TB, call string) {
	tb.Helper()
	if result := n.Call(tb, call); result != "ok" {
		tb.Fatalf("rabbitmqtest: %s returned %s", call, result)
	}
}
