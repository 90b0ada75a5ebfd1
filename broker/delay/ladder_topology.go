package delay

import (
	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Topology lists all levels, what is below them, and the way from the exit to the work
// queue. Nothing of the ladder is owned, since other services use it as well; steps are that
// the work queue may have from an earlier strategy.
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
	// What is lost has no bound: a queue that is full would hold up the levels above.
	t.Queues = append(t.Queues, kept(broker.Queue{Name: lost, Type: l.kind()}))
	t.Bindings = append(t.Bindings,
		broker.Binding{Exchange: exit, Queue: l.queue, RoutingKey: l.queue},
		broker.Binding{Exchange: lost, Queue: lost})
	return t
}
