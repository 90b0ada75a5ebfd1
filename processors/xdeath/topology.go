package xdeath

import (
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Topology returns what the layer needs in the broker for the messages of work: the work queue, and the
// queue that [Park] names on the default exchange, of the same type. Declare a park exchange, and what is
// bound to it, yourself, as well as the queue in which messages wait between their rounds: the work queue
// says by its dead-letter target how the rounds go.
//
// A quorum work queue with such a target gets [broker.HighDeliveryLimit] unless it has a limit: what it gave up
// at its limit would be lost in the loop, as a cycle. So does the parked queue.
func (x *xdeath) Topology(work broker.Queue) (broker.Topology, error) {
	_, limited := work.AllArguments()["x-delivery-limit"]
	if _, loops := work.AllArguments()["x-dead-letter-exchange"]; loops && !limited {
		work = kept(work)
	}
	t := broker.Topology{Queues: []broker.Queue{work}}
	if to := x.parking.to; x.parks && to.Exchange == "" {
		if to == (processor.Destination{RoutingKey: work.Name}) {
			return broker.Topology{}, fmt.Errorf("xdeath: the destination of Park is the work queue %q: a parked message would come back at once, for ever; name another", work.Name)
		}
		t.Queues = append(t.Queues, kept(broker.Queue{Name: to.RoutingKey, Type: work.DeclaredType()}))
	}
	if err := t.Validate(); err != nil {
		return broker.Topology{}, fmt.Errorf("xdeath: %w", err)
	}
	return t, nil
}

// kept is q, which drops no message at a delivery limit.
func kept(q broker.Queue) broker.Queue {
	if q.DeclaredType() == broker.Quorum {
		q.DeliveryLimit = broker.HighDeliveryLimit
	}
	return q
}
