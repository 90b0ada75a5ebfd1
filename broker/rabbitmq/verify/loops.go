package verify

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// loops finds paths on which dead letters return to a planned queue without having been rejected.
// Without management it follows planned queues only.
func (v *verification) loops(ctx context.Context) error {
	t, err := v.asItIs(ctx)
	if err != nil {
		return err
	}
	for _, l := range t.Loops() {
		if !slices.ContainsFunc(l.Queues, func(name string) bool { _, ok := plannedQueue(v.plan, name); return ok }) {
			continue
		}
		f := Finding{
			Kind: DeadLetterLoop, Queue: l.Queues[0],
			Problem: fmt.Sprintf("its dead letters lead back to it, %v: what a queue gives up there by itself is dropped as a cycle, or held for ever", l),
			Change:  "send its dead letters elsewhere",
		}
		if l.Limited {
			f.Problem = fmt.Sprintf("its dead letters lead back to it, %v: what it gives up at its delivery limit is dropped as a cycle, or held for ever; what is rejected goes round", l)
			f.Change = "give it the delivery limit broker.HighDeliveryLimit, or send its dead letters elsewhere; " +
				"one that exists without a limit of its own takes that from a policy (delivery-limit 2147483647) as well"
		}
		v.find(f)
	}
	return nil
}

// asItIs is the broker's topology as far as it is seen, with its delivery limits written the same
// way for every version.
func (v *verification) asItIs(ctx context.Context) (broker.Topology, error) {
	var t broker.Topology
	for _, q := range v.plan.Queues {
		s, err := v.queue(ctx, q.Name)
		if err != nil {
			return t, err
		}
		t.Queues = append(t.Queues, v.queueAsItIs(q.Name, v.effective(q.Name, s)))
	}
	t.Exchanges = slices.Clone(v.plan.Exchanges)
	t.Bindings = slices.Clone(v.plan.Bindings)
	if v.managed == nil {
		return t, nil
	}
	for _, name := range v.managed.names {
		if _, planned := plannedQueue(v.plan, name); !planned {
			t.Queues = append(t.Queues, v.queueAsItIs(name, v.managed.queues[name].under(v.managed.policies[name])))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.managed.exchanges)) {
		if _, planned := plannedExchange(v.plan, name); !planned {
			live := v.managed.exchanges[name]
			t.Exchanges = append(t.Exchanges, broker.Exchange{Name: name, Kind: broker.Kind(live.text(kindField)), Alternate: live.text(alternateArg)})
		}
	}
	for _, b := range v.managed.bindings {
		if b.Exchange != "" && !slices.ContainsFunc(v.plan.Bindings, planned(b)) {
			t.Bindings = append(t.Bindings, b)
		}
	}
	return t, nil
}

func (v *verification) queueAsItIs(name string, live attributes) broker.Queue {
	arguments := processor.Headers{}
	for argument, value := range live.arguments() {
		arguments[argument] = normal(value)
	}
	return v.server.AsItIs(broker.Queue{Name: name, Arguments: arguments})
}
