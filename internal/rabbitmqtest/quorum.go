//go:build unix

package rabbitmqtest

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

const (
	quorumLimit = 30 * time.Second
	queryLimit  = 500 * time.Millisecond // a replica passes a query on to a leader that may be gone
)

// AwaitQuorum waits until a quorum queue in the vhost / can take messages: until it has a
// leader, and the leader has had answers from a majority of the replicas since the call. It
// fails after 30 s.
func (c *Cluster) AwaitQuorum(tb TB, queue string) {
	tb.Helper()
	c.replicas(tb, queue)
}

// Leader returns the node that leads a quorum queue in the vhost /. It waits like
// [Cluster.AwaitQuorum], so it is never one that others have replaced.
func (c *Cluster) Leader(tb TB, queue string) *Node {
	tb.Helper()
	return c.replicas(tb, queue)[0]
}

// Followers returns the nodes, up or down, that have a replica of a quorum queue in the
// vhost / and do not lead it. It waits like [Cluster.AwaitQuorum].
func (c *Cluster) Followers(tb TB, queue string) []*Node {
	tb.Helper()
	return c.replicas(tb, queue)[1:]
}

// leadExpression is run in the future leader.
const leadExpression = `
{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, list_to_binary(%s))),
{Name, _} = amqqueue:get_pid(Q),
ra:transfer_leadership({Name, '%s'}, {Name, node()})`

// Lead makes n the leader of a quorum queue in the vhost /, of which it must have a
// replica. It waits like [Cluster.AwaitQuorum].
func (c *Cluster) Lead(tb TB, queue string, n *Node) {
	tb.Helper()
	ctx, cancel := within(tb, c.quorumLimit)
	defer cancel()
	leader := c.Leader(tb, queue)
	for leader != n {
		if _, err := n.ask(ctx, fmt.Sprintf(leadExpression, erlangString(queue), leader.address())); err != nil {
			tb.Fatalf("rabbitmqtest: %s does not lead the queue %q: %v", n.name, queue, err)
		}
		leader = c.Leader(tb, queue)
	}
}

// replicas returns the queue's leader, then the others.
func (c *Cluster) replicas(tb TB, queue string) []*Node {
	tb.Helper()
	ctx, cancel := within(tb, c.quorumLimit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		nodes, err := c.askReplicas(ctx, queue)
		if err == nil {
			return nodes
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("rabbitmqtest: the queue %q has no leader with a majority after %v: %v", queue, c.quorumLimit, err)
		case <-ticker.C:
		}
	}
}

// askReplicas asks one node after the other, until one answers.
func (c *Cluster) askReplicas(ctx context.Context, queue string) ([]*Node, error) {
	var errs []error
	for _, n := range c.running() {
		nodes, err := n.askReplicas(ctx, queue)
		if err == nil {
			return nodes, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// replicasExpression makes the leader ask a majority before it answers. The query is a
// named function of Erlang's: 4.3 refuses an anonymous one. The replicas are a
// list, and from 4.3 the keys of a map.
const replicasExpression = `
{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, list_to_binary(%s))),
#{nodes := Nodes} = amqqueue:get_type_state(Q),
{Name, _} = amqqueue:get_pid(Q),
{ok, _, {_, Leader}} = ra:consistent_query({Name, node()}, {erlang, is_tuple, []}, %d),
[Leader | lists:delete(Leader, if is_map(Nodes) -> maps:keys(Nodes); true -> Nodes end)]`

var erlangAtom = regexp.MustCompile(`'([^']+)'`)

func (n *Node) askReplicas(ctx context.Context, queue string) ([]*Node, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit/2)
	defer cancel()
	result, err := n.eval(ctx, fmt.Sprintf(replicasExpression, erlangString(queue), queryLimit.Milliseconds()))
	if err != nil {
		return nil, err
	}
	var replicas []*Node
	for _, match := range erlangAtom.FindAllStringSubmatch(result, -1) {
		i := slices.IndexFunc(n.cluster.nodes, func(n *Node) bool { return n.address() == match[1] })
		replicas = append(replicas, n.cluster.nodes[i])
	}
	return replicas, nil
}
