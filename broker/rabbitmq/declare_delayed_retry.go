package rabbitmq

import (
	"context"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
)

// delayedArg is the argument of a queue that makes a rejected message wait.
const delayedArg = "x-delayed-retry-type"

// lacks says what the server would silently ignore of t.
func (s server) lacks(t broker.Topology) error {
	i := slices.IndexFunc(t.Queues, s.Ignores)
	if i < 0 {
		return nil
	}
	return fmt.Errorf("queue %q has a delayed retry: %w: %s would deliver what fails again at once; "+
		"RabbitMQ has it from 4.3 on: upgrade, or retry by copies (processors/retry, processors/backoff)",
		t.Queues[i].Name, broker.ErrUnsupported, s)
}

// understood is t without what the server lacks. It is for whoever publishes: that makes no
// message come again.
func (s server) understood(t broker.Topology) broker.Topology {
	ignored := map[string]bool{}
	for _, q := range t.Queues {
		ignored[q.Name] = s.Ignores(q)
	}
	return filtered(t, func(queue string) bool { return !ignored[queue] })
}

// holdsFailed reports whether queue keeps what was rejected for a while.
func holdsFailed(t broker.Topology, queue string) bool {
	return slices.ContainsFunc(t.Queues, func(q broker.Queue) bool {
		kind, _ := q.AllArguments().String(delayedArg)
		return q.Name == queue && (kind == "failed" || kind == "all")
	})
}

var _ broker.TopologyChecker = (*publisher)(nil)

// CheckTopology says what the server would silently ignore of t. While there is no connection
// it does not know, and whoever declares or subscribes is told.
func (p *publisher) CheckTopology(t broker.Topology) error {
	now, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	session, err := p.broker.consuming.Session(now)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	return serverOf(session.ServerProperties()).lacks(t)
}
