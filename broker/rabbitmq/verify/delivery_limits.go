package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// limits finds quorum queues whose delivery limit drops messages sooner than the consumer's stack
// gives them up, or that have no dead-letter exchange for them.
func (v *verification) limits(ctx context.Context) error {
	for _, q := range v.plan.Queues {
		s, err := v.queue(ctx, q.Name)
		if err != nil {
			return err
		}
		if live := v.effective(q.Name, s); live.queueType() == string(broker.Quorum) && !live.isDelay() {
			v.limit(q.Name, live)
		}
	}
	return nil
}

// What to do about a queue that drops messages at its limit. Only a declared limit is sure to stay.
const (
	placeOrHigh = "give it a dead-letter exchange that does not lead back to it, or the delivery limit broker.HighDeliveryLimit; "
	byAPolicy   = placeOrHigh + "a queue that exists takes that limit from a policy (delivery-limit 2147483647) as well"
	byAnother   = placeOrHigh + "a queue that exists keeps a limit that it was declared with: use another name"
)

func (v *verification) limit(queue string, live attributes) {
	limit, what, limited := v.deliveryLimit(live)
	if !limited {
		return
	}
	f := Finding{Kind: DeliveryLimit, Queue: queue, Change: byAPolicy}
	if _, declared := live[limitArg]; declared {
		f.Change = byAnother
	}
	_, _, kept := live.deadLetters()
	fate := "; it then drops them"
	if kept {
		fate = ""
	}
	switch {
	case limit < int64(v.options.inPlace) && v.options.consumes(queue):
		f.Problem = fmt.Sprintf("%s, and messages may go back to it %d times%s", what, v.options.inPlace, fate)
		f.Change = "raise the limit, or let the stack give up sooner"
	case !kept:
		f.Problem = what + fate
	default:
		return
	}
	v.find(f)
}

// deliveryLimit is how often a quorum queue redelivers a message, in words as well; limited is
// false if without end.
func (v *verification) deliveryLimit(live attributes) (limit int64, what string, limited bool) {
	limit, limited = v.server.DeliveryLimit(processor.Headers(live))
	declared, set := live.number(limitArg)
	switch {
	case !set:
		what = fmt.Sprintf("its delivery limit is %d, the broker's default", limit)
	case declared < 0:
		what = fmt.Sprintf("its delivery limit is %d, which RabbitMQ before 4.0 takes for 0", declared)
	default:
		what = fmt.Sprintf("its delivery limit is %d", declared)
	}
	return limit, what, limited
}

func (o options) consumes(queue string) bool {
	return len(o.consumed) == 0 || slices.Contains(o.consumed, queue)
}
