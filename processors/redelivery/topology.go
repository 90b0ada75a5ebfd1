package redelivery

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Topology returns what [New] with the same arguments needs in the broker, without a stack (for one see
// package broker/needs): the work queue, which waits before it redelivers failed messages, and the quorum queue
// parked, which never drops a message.
//
// The work queue is a quorum queue. It gets the waits, a delivery limit [Margin] above [Retries]
// unless it has a higher one of its own, and parked as its dead-letter target, at least once. That
// requires the overflow reject-publish, which does nothing without a bound on the length. A
// MessageTTL also runs while a message waits, and then moves it to the parked queue.
//
// It refuses what New refuses, and a work queue that is of another type, is deleted automatically,
// has other waits of its own, a limit that is reached before the layer parks, another dead-letter target,
// or drops its head when full: that would be at most once.
func Topology(work broker.Queue, parked string, opts ...Option) (broker.Topology, error) {
	c, err := configure(parked, opts)
	if err != nil {
		return broker.Topology{}, err
	}
	return c.topology(work)
}

// Topology returns what the layer needs: see [Topology].
func (r *redelivery) Topology(work broker.Queue) (broker.Topology, error) { return r.topology(work) }

func (c *config) topology(work broker.Queue) (broker.Topology, error) {
	if err := c.checkWork(work); err != nil {
		return broker.Topology{}, err
	}
	t := broker.Topology{Queues: []broker.Queue{
		c.work(work),
		{Name: c.parked, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
	}}
	if err := t.Validate(); err != nil {
		return broker.Topology{}, fmt.Errorf("redelivery: %w", err)
	}
	return t, nil
}

// How a queue dead-letters.
const (
	strategyArg = "x-dead-letter-strategy"
	atLeastOnce = "at-least-once"
)

func (c *config) work(q broker.Queue) broker.Queue {
	q.Type = broker.Quorum
	q.DelayedRetry = &broker.DelayedRetry{Min: c.wait.Min, Max: c.wait.Max}
	if q.DeliveryLimit == 0 {
		q.DeliveryLimit = c.retries + Margin
	}
	q.DeadLetter = &broker.DeadLetter{RoutingKey: c.parked}
	q.Overflow = broker.RejectPublish
	q.Arguments = q.Arguments.Clone()
	q.Arguments[strategyArg] = atLeastOnce
	return q
}

// checkWork says what of the work queue is not possible.
func (c *config) checkWork(q broker.Queue) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("redelivery: the work queue %q "+format, append([]any{q.Name}, args...)...))
	}
	if q.Name == c.parked {
		fail("is also the parked queue: a parked message would come back at once, for ever")
	}
	if q.Type != "" && q.Type != broker.Quorum {
		fail("is of type %s: only a quorum queue waits; leave Type out", q.Type)
	}
	if q.Expires > 0 {
		fail("expires when it is unused, with what waits in it: leave out Expires")
	}
	if d := q.DelayedRetry; d != nil && *d != c.wait {
		fail("has a DelayedRetry of its own: leave it out and use Wait")
	}
	if q.DeliveryLimit > 0 && q.DeliveryLimit <= c.retries {
		fail("has a delivery limit of %d, and the layer parks after %d failures: raise it above %d, or leave it out",
			q.DeliveryLimit, c.retries+1, c.retries)
	}
	if d := q.DeadLetter; d != nil && *d != (broker.DeadLetter{RoutingKey: c.parked}) {
		fail("dead-letters to %v: what kills its worker would go there, and what fails to %q; leave DeadLetter out",
			processor.Destination{Exchange: d.Exchange, RoutingKey: d.RoutingKey}, c.parked)
	}
	if q.Overflow != "" && q.Overflow != broker.RejectPublish {
		fail("has the overflow %s: its dead letters would be moved at most once; leave it out", q.Overflow)
	}
	for _, name := range ours {
		if value, there := q.Arguments[name]; there && (name != strategyArg || value != atLeastOnce) {
			fail("has the argument %s, which is set here: leave it out", name)
		}
	}
	return errors.Join(errs...)
}

// ours are the arguments that Topology sets on a work queue.
var ours = []string{
	strategyArg, "x-queue-type", "x-expires", "x-overflow", "x-dead-letter-exchange", "x-dead-letter-routing-key",
	"x-delivery-limit", "x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max",
}
