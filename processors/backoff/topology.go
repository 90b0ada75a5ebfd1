package backoff

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/internal/argument"
	"github.com/gowarren/warren/processor"
)

// Topology returns what a layer with the same options needs in the broker, without a stack (for one see
// package broker/needs): the work queue, the queues and exchanges of its delays, and the queue that [Park] names on
// the default exchange, of the same type as the work queue. Declare a park exchange, and what is bound to it, yourself.
//
// A quorum work queue without a dead-letter exchange would drop a message that is redelivered too
// often, 20 times by default from RabbitMQ 4.0 on. So it dead-letters to the queue of [Park], at
// least once, what exceeds [delay.DeliveryLimit] returns or its own limit: messages that kill their
// worker each time. The same happens to what a consumer rejects or what expires by an expiration of
// its own. Without such a queue, or with a TTL or a length, it gets [broker.HighDeliveryLimit], and
// so do all the other queues. It is the first queue of the topology: other programs must declare it
// with these arguments.
//
// The error says what a layer could not work with: options that [New] refuses as well, a work queue
// that is deleted automatically (AutoDelete, Exclusive, Expires), a quorum queue behind classic
// delays, one that has a length and refuses messages when full, one with a low delivery limit and
// no dead-letter target, and one whose dead letters go to the delays or otherwise in a
// [broker.Loop].
func Topology(work broker.Queue, opts ...Option) (broker.Topology, error) {
	c, err := configure(work.Name, opts)
	if err != nil {
		return broker.Topology{}, err
	}
	return c.topology(work)
}

// Topology returns what the layer needs: see [Topology]. It refuses another work queue than the one that
// [New] was given.
func (b *backoff) Topology(work broker.Queue) (broker.Topology, error) {
	if work.Name != b.queue {
		return broker.Topology{}, fmt.Errorf("backoff: the work queue is %q, and what is delayed comes to %q: "+
			"give New the name of the queue that is consumed", work.Name, b.queue)
	}
	return b.topology(work)
}

func (c *config) topology(work broker.Queue) (broker.Topology, error) {
	delays := c.delayer.Topology()
	if err := checkDeadLetter(work, delays); err != nil {
		return broker.Topology{}, fmt.Errorf("backoff: %w", err)
	}
	around := delay.Work{Queue: work, Waits: delays}
	if f, ok := c.delayer.(delay.Fragile); ok {
		around.Fragile = f.Fragile()
	}
	if c.final != nil && c.final.Exchange == "" {
		around.Parked.Name = c.final.RoutingKey
	}
	t, err := around.Topology()
	if err != nil {
		return broker.Topology{}, fmt.Errorf("backoff: %w", err)
	}
	return t, nil
}

// checkDeadLetter refuses a work queue that rejects into the delays: a broker takes the second
// round for a cycle, and drops the message or holds it up.
func checkDeadLetter(work broker.Queue, delays broker.Topology) error {
	target, _ := argument.DeadLetters(work.AllArguments())
	if to := (processor.Destination{Exchange: target.Exchange, RoutingKey: target.Key}); leadsInto(delays, to) {
		return fmt.Errorf("the dead letters of the work queue %q go to %v, which is one of its delays: "+
			"the broker would drop them as a cycle, or send them round for ever; send them elsewhere", work.Name, to)
	}
	return nil
}

// leadsInto reports whether messages published there are delayed.
func leadsInto(delays broker.Topology, to processor.Destination) bool {
	if to.Exchange != "" {
		return slices.ContainsFunc(delays.Exchanges, func(x broker.Exchange) bool { return x.Name == to.Exchange })
	}
	return slices.ContainsFunc(delays.Queues, func(q broker.Queue) bool { return q.Name == to.RoutingKey }) ||
		slices.ContainsFunc(delays.Owned, func(prefix string) bool { return strings.HasPrefix(to.RoutingKey, prefix) })
}
