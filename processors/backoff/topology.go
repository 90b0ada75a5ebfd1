package backoff

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Topology returns what has to be in the broker for a layer with the same options: the work
// queue, the queues and exchanges of its delays, and the queue that [Final] names on the
// default exchange, of the same type as the work queue. A final exchange, and what is bound
// to it, are yours to declare.
//
// The error says what a layer could not work with: options that [New] refuses as well, a
// work queue that refuses messages when it is full, and one whose dead letters go to the
// delays.
func Topology(work broker.Queue, opts ...Option) (broker.Topology, error) {
	c, err := configure(work.Name, opts)
	if err != nil {
		return broker.Topology{}, err
	}
	delays := c.delayer.Topology()
	if err := errors.Join(checkOverflow(work), checkDeadLetter(work, delays)); err != nil {
		return broker.Topology{}, err
	}
	t := broker.Topology{Queues: []broker.Queue{work}}
	if c.final != nil && c.final.Exchange == "" {
		t.Queues = append(t.Queues, broker.Queue{Name: c.final.RoutingKey, Type: work.Type})
	}
	if t, err = t.Extend(delays); err != nil {
		return broker.Topology{}, fmt.Errorf("backoff: a queue has the name of one of the delays: %w", err)
	}
	return t, t.Validate()
}

// checkOverflow refuses a work queue that says no when it is full.
func checkOverflow(work broker.Queue) error {
	switch work.AllArguments()["x-overflow"] {
	case string(broker.RejectPublish), "reject-publish-dlx":
		return fmt.Errorf("backoff: queue %q refuses messages when it is full, and those that come back from a delay are then lost, or held with all behind them, those of other queues too: leave out Overflow, or MaxLength", work.Name)
	}
	return nil
}

// checkDeadLetter refuses a work queue that rejects into the delays: a broker takes the
// second round for a cycle, and drops the message.
func checkDeadLetter(work broker.Queue, delays broker.Topology) error {
	args := work.AllArguments()
	to, ok := args.String("x-dead-letter-exchange")
	if !ok {
		return nil
	}
	key, _ := args.String("x-dead-letter-routing-key")
	if slices.ContainsFunc(delays.Exchanges, func(x broker.Exchange) bool { return x.Name == to }) ||
		to == "" && slices.ContainsFunc(delays.Queues, func(q broker.Queue) bool { return q.Name == key }) {
		return fmt.Errorf("backoff: the dead letters of queue %q go to %v, which is one of its delays, and the broker would drop them as a cycle: send them elsewhere",
			work.Name, processor.Destination{Exchange: to, RoutingKey: key})
	}
	return nil
}
