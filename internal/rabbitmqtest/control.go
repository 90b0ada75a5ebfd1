//go:build unix

package rabbitmqtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	callLimit = 10 * time.Second
	evalLimit = 2 * time.Minute // for long work of the node
)

// Ctl runs rabbitmqctl and returns its output. It takes two seconds, and many times that
// on a busy machine: use [Node.Eval] where that works.
func (n *Node) Ctl(tb TB, args ...string) string {
	tb.Helper()
	args = append([]string{"--quiet", "--node", n.address()}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), evalLimit)
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

// Eval evaluates Erlang expressions once in the node and returns the last one's result, as a
// term in one line. It takes a few milliseconds.
func (n *Node) Eval(tb TB, format string, args ...any) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), evalLimit)
	defer cancel()
	result, err := n.eval(ctx, fmt.Sprintf(`lists:flatten(io_lib:format("~0tp", [begin %s end]))`, fmt.Sprintf(format, args...)))
	if err != nil {
		tb.Fatalf("rabbitmqtest: %v", err)
	}
	return text(result)
}

// text is a string as erl_call prints it: within quotes, or as a list of numbers if one is above 255.
func text(printed string) string {
	if strings.HasPrefix(printed, `"`) {
		return strings.Trim(printed, `"`)
	}
	var b strings.Builder
	for number := range strings.SplitSeq(strings.Trim(printed, "[]"), ", ") {
		n, _ := strconv.ParseInt(number, 10, 32) // erl_call prints nothing else
		b.WriteRune(rune(n))
	}
	return b.String()
}

// calls counts the calls of this process, for their names.
var calls atomic.Int64

// erlCall is Erlang's tool to call the node. It is a node itself, and refused while another of
// the same name exists: by default all have the same name, and its random names
// change every second.
func (n *Node) erlCall(ctx context.Context, args ...string) *exec.Cmd {
	name := fmt.Sprintf("call-%d-%d", os.Getpid(), calls.Add(1))
	args = append([]string{"-h", name, "-c", n.cluster.cookie, "-n", n.address()}, args...)
	return n.command(ctx, n.cluster.installed.erlCall, args...)
}

// output runs a command and returns its output.
func output(tb TB, cmd *exec.Cmd) string {
	tb.Helper()
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		tb.Fatalf("rabbitmqtest: %s: %v\n%s", cmd, err, text)
	}
	return text
}

// command is one of RabbitMQ's or Erlang's tools, for use on the node.
func (n *Node) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = n.environment()
	cmd.WaitDelay = time.Second
	return cmd
}

// callOK is [Node.Call] for a call that must return ok.
func (n *Node) callOK(tb TB, call string) {
	tb.Helper()
	if result := n.Call(tb, call); result != "ok" {
		tb.Fatalf("rabbitmqtest: %s returned %s", call, result)
	}
}

// evalOKf is [Node.Eval] for what must return ok.
func (n *Node) evalOKf(tb TB, format string, args ...any) {
	tb.Helper()
	if result := n.Eval(tb, format, args...); result != "ok" {
		tb.Fatalf("rabbitmqtest: %s returned %s", fmt.Sprintf(format, args...), result)
	}
}
