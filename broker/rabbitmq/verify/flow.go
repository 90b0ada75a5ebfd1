package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
)

const createTarget = "declare it, or plan another"

// deadLetters finds dead-letter targets that are missing or lead nowhere.
func (v *verification) deadLetters(ctx context.Context) error {
	for _, q := range v.plan.Queues {
		exchange, key, ok := queueAttributes(q).deadLetters()
		if !ok {
			continue
		}
		if err := v.deadLetter(ctx, Finding{Kind: MissingDeadLetter, Queue: q.Name, Change: createTarget}, exchange, key); err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) deadLetter(ctx context.Context, f Finding, exchange, key string) error {
	if exchange == "" && key == "" {
		v.uncheckedf("where the dead letters of queue %q go: each to the queue that its own key names", f.Queue)
		return nil
	}
	if exchange == "" {
		s, err := v.queue(ctx, key)
		if err != nil {
			return err
		}
		if _, planned := plannedQueue(v.all, key); !planned && !s.there {
			f.Problem = fmt.Sprintf("its dead letters go to queue %q, which does not exist", key)
			v.find(f)
		}
		return nil
	}
	s, err := v.exchange(ctx, exchange)
	if err != nil {
		return err
	}
	if _, planned := plannedExchange(v.plan, exchange); !planned && !s.there {
		f.Problem = fmt.Sprintf("its dead letters go to exchange %q, which does not exist", exchange)
		v.find(f)
		return nil
	}
	v.routesDeadLetter(f, s, exchange, key)
	return nil
}

// routesDeadLetter finds exchanges without a queue for dead letters, as far as their bindings tell.
func (v *verification) routesDeadLetter(f Finding, s seen, exchange, key string) {
	if len(v.leadsTo(exchange, key)) > 0 || v.hasAlternate(s, exchange) {
		return
	}
	if v.managed == nil {
		v.uncheckedf("whether exchange %q has a queue for the dead letters of queue %q: none is planned; use Management", exchange, f.Queue)
		return
	}
	if slices.Contains(v.managed.forwarding, exchange) {
		return // to another exchange
	}
	f.Kind, f.Problem = UnroutedDeadLetter, fmt.Sprintf("its dead letters go to exchange %q, which has no queue for them", exchange)
	if key != "" {
		f.Problem += fmt.Sprintf(" with key %q", key)
	}
	f.Change = "bind a queue to it"
	v.find(f)
}

func (v *verification) hasAlternate(s seen, exchange string) bool {
	x, _ := plannedExchange(v.plan, exchange)
	_, planned := x.AllArguments()[alternateArg]
	_, live := s.live[alternateArg]
	return planned || live
}

// leadsTo returns the planned and the seen queues that an exchange has for messages with that key.
// Without a key it is the message's own, and may lead to each of them.
func (v *verification) leadsTo(exchange, key string) []string {
	all := v.plan.Bindings
	direct := v.kindOf(exchange) == string(broker.Direct)
	if v.managed != nil {
		all = slices.Concat(all, v.managed.bindings)
	}
	var queues []string
	for _, b := range all {
		if b.Exchange == exchange && (!direct || key == "" || b.RoutingKey == key) && !slices.Contains(queues, b.Queue) {
			queues = append(queues, b.Queue)
		}
	}
	return queues
}

func (v *verification) kindOf(exchange string) string {
	if x, planned := plannedExchange(v.plan, exchange); planned {
		return string(x.Kind)
	}
	return v.exchangesSeen[exchange].live.text(kindField)
}

// alternates finds alternate exchanges that are missing.
func (v *verification) alternates(ctx context.Context) error {
	for _, x := range v.plan.Exchanges {
		alternate, ok := x.AllArguments()[alternateArg].(string)
		if _, planned := plannedExchange(v.plan, alternate); !ok || planned {
			continue
		}
		s, err := v.exchange(ctx, alternate)
		if err != nil {
			return err
		}
		if !s.there {
			v.find(Finding{
				Kind: MissingAlternate, Exchange: x.Name, Change: createTarget,
				Problem: fmt.Sprintf("what it cannot route goes to exchange %q, which does not exist", alternate),
			})
		}
	}
	return nil
}

// lost counts the messages in queues that an alternate exchange leads to.
func (v *verification) lost(ctx context.Context) error {
	for _, x := range v.plan.Exchanges {
		alternate, _ := x.AllArguments()[alternateArg].(string)
		if a, planned := plannedExchange(v.plan, alternate); !planned || a.Kind != broker.Fanout {
			continue
		}
		for _, name := range v.leadsTo(alternate, "") {
			s, err := v.queue(ctx, name)
			if err != nil {
				return err
			}
			if s.ready > 0 {
				v.find(Finding{
					Kind: LostMessages, Severity: Notice, Queue: name,
					Problem: fmt.Sprintf("%d messages lie in it: their work queue was missing", s.ready),
					Change:  "declare that queue, and move them there (package replay)",
				})
			}
		}
	}
	return nil
}
