package delay

import (
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// DeliveryLimit is the limit that [Work.Topology] gives a work queue that can park messages over it.
// It ends the redelivery of a message that kills its worker each time. It leaves room for returns
// without a try, which RabbitMQ counts as well before 4.3: five times
// RabbitMQ's own limit, which is 20 from 4.0 on.
const DeliveryLimit = 100

// limited returns a quorum work queue with settings that keep it from dropping messages at its
// delivery limit, and any other as it is. parked is the name of the parked queue, "" if there is
// none.
func limited(work broker.Queue, parked string) (broker.Queue, error) {
	args := work.AllArguments()
	_, deadLetters := args["x-dead-letter-exchange"]
	if work.DeclaredType() != broker.Quorum || deadLetters {
		return work, nil
	}
	_, set := args["x-delivery-limit"]
	limit, ends := work.Limit()
	why := dropsOthers(args)
	switch {
	case set && !ends:
		return work, nil
	case parked != "" && why == "":
		return parking(work, parked, set), nil
	case set && parked == "":
		return work, fmt.Errorf("the work queue %q has the delivery limit %d and nowhere to put what is over it, which RabbitMQ would drop: "+
			"give it a DeadLetter, or broker.HighDeliveryLimit", work.Name, limit)
	case set:
		return work, fmt.Errorf("the work queue %q has the delivery limit %d, and what is over it would be dropped: %q cannot have it, "+
			"since it would get what %s as well; give the work queue a DeadLetter, or broker.HighDeliveryLimit", work.Name, limit, parked, why)
	}
	work.DeliveryLimit = broker.HighDeliveryLimit
	return work, nil
}

// dropsOthers says which other messages a queue with these arguments would dead-letter.
func dropsOthers(args processor.Headers) string {
	_, ttl := args["x-message-ttl"]
	_, messages := args["x-max-length"]
	_, bytes := args["x-max-length-bytes"]
	switch {
	case ttl:
		return "expires"
	case messages || bytes:
		return "has no room"
	}
	return ""
}

// parking is work with its dead letters going to parked, at least once: otherwise a broker that
// dies at that moment loses one. For that the overflow has to be reject-publish, which refuses
// nothing, since the queue has no length limit.
func parking(work broker.Queue, parked string, limited bool) broker.Queue {
	work.DeadLetter = &broker.DeadLetter{RoutingKey: parked}
	if !limited {
		work.DeliveryLimit = DeliveryLimit
	}
	args := work.AllArguments()
	overflow, given := args.String("x-overflow")
	_, strategy := args["x-dead-letter-strategy"]
	if strategy || given && overflow != string(broker.RejectPublish) {
		return work // as configured
	}
	if !given {
		work.Overflow = broker.RejectPublish
	}
	work.Arguments = work.Arguments.Clone()
	work.Arguments["x-dead-letter-strategy"] = "at-least-once"
	return work
}

// kept returns q with a delivery limit that is never reached if it is a quorum queue.
func kept(q broker.Queue) broker.Queue {
	if q.DeclaredType() == broker.Quorum {
		q.DeliveryLimit = broker.HighDeliveryLimit
	}
	return q
}
