package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gowarren/warren/broker"
)

// What to change.
const (
	declareIt = "declare the topology (Broker.Declare)"
	declareTo = "declare it, or take out what is bound to it"
	renameIt  = "it keeps what it was declared with: plan what is there, or use another name and delete it once nothing is in it"
	reachIt   = "bring back its node, or give the user the right to it"
)

// unsupported finds queues with arguments that the server would silently ignore.
func (v *verification) unsupported(context.Context) error {
	for _, q := range v.plan.Queues {
		if v.server.Ignores(q) {
			v.find(Finding{
				Kind: Unsupported, Queue: q.Name,
				Problem: fmt.Sprintf("it has a delayed retry, and %s would deliver what fails again at once", v.server),
				Change:  "upgrade to RabbitMQ 4.3, or retry by copies (processors/retry, processors/backoff)",
			})
		}
	}
	return nil
}

// exchanges finds those that are missing or different. The exchange of a planned
// binding must exist even if it is not planned.
func (v *verification) exchanges(ctx context.Context) error {
	for _, x := range v.plan.Exchanges {
		s, err := v.exchange(ctx, x.Name)
		if err != nil {
			return err
		}
		v.compare(s, exchangeAttributes(x), Finding{Kind: MissingExchange, Exchange: x.Name}, DifferentExchange)
	}
	for _, b := range v.plan.Bindings {
		s, err := v.exchange(ctx, b.Exchange)
		if err != nil {
			return err
		}
		if _, planned := plannedExchange(v.plan, b.Exchange); !planned && !s.there {
			v.find(Finding{Kind: MissingExchange, Exchange: b.Exchange, Problem: "it does not exist and is not planned", Change: declareTo})
		}
	}
	return nil
}

// queues finds those that are missing or different.
func (v *verification) queues(ctx context.Context) error {
	for _, q := range v.plan.Queues {
		s, err := v.queue(ctx, q.Name)
		if err != nil {
			return err
		}
		v.compare(s, queueAttributes(q), Finding{Kind: MissingQueue, Queue: q.Name}, DifferentQueue)
	}
	for _, b := range v.plan.Bindings {
		s, err := v.queue(ctx, b.Queue)
		if err != nil {
			return err
		}
		if _, planned := plannedQueue(v.plan, b.Queue); !planned && !s.there {
			v.find(Finding{Kind: MissingQueue, Queue: b.Queue, Problem: "it does not exist and is not planned", Change: declareTo})
		}
	}
	return nil
}

func (v *verification) compare(s seen, planned attributes, f Finding, different Kind) {
	f.Problem, f.Change = "it does not exist", declareIt
	switch {
	case s.down != "":
		f.Kind, f.Problem, f.Change = Unavailable, "the broker says: "+s.down, reachIt
	case !s.there:
	case s.live == nil:
		return
	default:
		list := differences(planned, s.live)
		if len(list) == 0 {
			return
		}
		f.Kind, f.Problem, f.Change = different, strings.Join(list, ", "), renameIt
	}
	v.find(f)
}

// bindings finds those that are missing, and unplanned ones from planned exchanges to planned
// queues.
func (v *verification) bindings(context.Context) error {
	if v.managed == nil {
		v.uncheckedf("bindings: AMQP does not show them; use Management")
		return nil
	}
	for _, b := range v.plan.Bindings {
		if v.exchangesSeen[b.Exchange].there && v.queuesSeen[b.Queue].there && !slices.ContainsFunc(v.managed.bindings, planned(b)) {
			v.find(Finding{Kind: MissingBinding, Exchange: b.Exchange, Queue: b.Queue, Problem: "it does not exist: " + match(b), Change: declareIt})
		}
	}
	for _, live := range v.managed.bindings {
		_, fromPlanned := plannedExchange(v.plan, live.Exchange)
		_, toPlanned := plannedQueue(v.plan, live.Queue)
		if fromPlanned && toPlanned && !slices.ContainsFunc(v.plan.Bindings, planned(live)) {
			v.find(Finding{
				Kind: ExtraBinding, Exchange: live.Exchange, Queue: live.Queue,
				Problem: "it is not planned: " + match(live), Change: "remove it, or plan it",
			})
		}
	}
	return nil
}

// planned reports whether a binding equals b, whichever of them is planned.
func planned(b broker.Binding) func(broker.Binding) bool {
	return func(c broker.Binding) bool {
		return b.Exchange == c.Exchange && b.Queue == c.Queue && b.RoutingKey == c.RoutingKey && same(b.AllArguments(), c.AllArguments())
	}
}

func match(b broker.Binding) string {
	if len(b.Arguments) == 0 {
		return fmt.Sprintf("key %q", b.RoutingKey)
	}
	return fmt.Sprintf("key %q, arguments %s", b.RoutingKey, shown("", b.AllArguments(), true))
}
