package rabbitmq

import (
	"context"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
)

// delayedArg is the argument of a queue that makes a rejected message wait.
const delayedArg = "x-delayed-retry-type"

// isDelayed reports whether a queue is to make what it gets back wait.
func isDelayed(q broker.Queue) bool {
	_, delayed := q.AllArguments()[delayedArg]
	return delayed
}

// delaysRetries reports whether the server has such queues. One that has not takes the
// arguments and ignores them (RabbitMQ 3.10.8 and 4.0.5): it delivers a failed message again
// at once, up to its delivery limit.
func (s server) delaysRetries() bool {
	return s.product == "RabbitMQ" && (s.major > 4 || s.major == 4 && s.minor >= 3)
}

// lacks says what the server would silently ignore of t.
func (s server) lacks(t broker.Topology) error {
	i := slices.IndexFunc(t.Queues, isDelayed)
	if i < 0 || s.delaysRetries() {
		return nil
	}
	return fmt.Errorf("queue %q has a delayed retry: %w: %s would deliver what fails again at once; "+
		"RabbitMQ has it from 4.3 on: upgrade, or retry by copies (processors/retry, processors/backoff)",
		t.Queues[i].Name, broker.ErrUnsupported, s)
}

// understood is t without what the server lacks. It is for whoever publishes: that makes no
// message come again.
func (s server) understood(t broker.Topology) broker.Topology {
	if s.delaysRetries() || !slices.ContainsFunc(t.Queues, isDelayed) {
		return t
	}
	return filtered(t, func(queue string) bool {
		q, _ := plannedQueue(t, queue)
		return !isDelayed(q)
	})
}

// holdsFailed reports whether queue keeps what was rejected for a while.
func holdsFailed(t broker.Topology, queue string) bool {
	q, _ := plannedQueue(t, queue)
	kind, _ := q.AllArguments().String(delayedArg)
	return kind == "failed" || kind == "all"
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

// unsupported finds queues of which the server would silently ignore something.
func (v *verification) unsupported(context.Context) error {
	for _, q := range v.plan.Queues {
		if isDelayed(q) && !v.server.delaysRetries() {
			v.find(Finding{
				Kind: Unsupported, Queue: q.Name,
				Problem: fmt.Sprintf("it has a delayed retry, and %s would deliver what fails again at once", v.server),
				Change:  "upgrade to RabbitMQ 4.3, or retry by copies (processors/retry, processors/backoff)",
			})
		}
	}
	return nil
}
