//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ask evaluates an Erlang expression, which must be one that can be repeated, in the node
// and returns the result as a term. A node that has just been started may not answer yet.
func (n *Node) ask(ctx context.Context, expression string) (string, error) {
	return n.await(ctx, expression, func(string) bool { return true })
}

// awaitTrue waits until an Erlang expression is true in the node.
func (n *Node) awaitTrue(ctx context.Context, expression string) error {
	_, err := n.await(ctx, expression, func(result string) bool { return result == "true" })
	return err
}

// await evaluates an Erlang expression until it has a result that is ok.
func (n *Node) await(ctx context.Context, expression string, ok func(string) bool) (string, error) {
	var result string
	last := errors.New("not asked") // why there is none
	err := poll(ctx, n.broker, func() bool {
		if result, last = n.eval(ctx, expression); last == nil && !ok(result) {
			last = fmt.Errorf("%s: %s: %s", n.name, expression, result)
		}
		return last == nil
	})
	if err != nil {
		return "", fmt.Errorf("%w: %w\n%s", err, last, n.log(tailBytes))
	}
	return result, nil
}

// eval evaluates an Erlang expression once. A node that hangs does not answer before ctx
// ends.
func (n *Node) eval(ctx context.Context, expression string) (string, error) {
	cmd := n.erlCall(ctx, "-e")
	cmd.Stdin = strings.NewReader(expression + ".\n")
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	result, ok := strings.CutPrefix(text, "{ok, ")
	if err == nil && !ok {
		err = errors.New("no result")
	}
	if err != nil {
		return "", fmt.Errorf("evaluate in %s: %s: %w\n%s", n.name, expression, err, text)
	}
	return strings.TrimSuffix(result, "}"), nil
}

// erlangString is s as a list of numbers, which is a string in Erlang: erl_call splits
// its argument without regard for quotes.
func erlangString(s string) string {
	codes := make([]string, len(s))
	for i := range len(s) {
		codes[i] = strconv.Itoa(int(s[i]))
	}
	return "[" + strings.Join(codes, ",") + "]"
}

// erlangNodes is the list of the nodes' names in Erlang.
func erlangNodes(nodes []*Node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = "'" + n.address() + "'"
	}
	return "[" + strings.Join(names, ",") + "]"
}
