package delay

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Topology lists all levels, the exit, the lost queue, and the binding from the exit to the work
// queue. The ladder is not owned, since other services use it as well; steps that
// the work queue may have from an earlier strategy are.
func (l *ladder) Topology() broker.Topology {
	exit, lost := l.name("exit"), l.name("lost")
	t := broker.Topology{Owned: owned(l.queue)}
	for k := l.levels - 1; k >= 0; k-- {
		level, next := l.level(k), exit
		if k > 0 {
			next = l.level(k - 1)
		}
		t.Exchanges = append(t.Exchanges, broker.Exchange{Name: level, Kind: broker.HeadersKind, Alternate: next})
		t.Queues = append(t.Queues, l.waiting(level, l.unit<<k, broker.DeadLetter{Exchange: next}))
		t.Bindings = append(t.Bindings, broker.Binding{
			Exchange: level, Queue: level,
			Arguments: processor.Headers{"x-match": "all", header(k): true},
		})
	}
	t.Exchanges = append(t.Exchanges,
		broker.Exchange{Name: exit, Kind: broker.Direct, Alternate: lost},
		broker.Exchange{Name: lost, Kind: broker.Fanout})
	// The lost queue has no bound: a full one would hold up the levels above.
	t.Queues = append(t.Queues, kept(broker.Queue{Name: lost, Type: l.kind()}))
	t.Bindings = append(t.Bindings,
		broker.Binding{Exchange: exit, Queue: l.queue, RoutingKey: l.queue},
		broker.Binding{Exchange: lost, Queue: lost})
	return t
}
