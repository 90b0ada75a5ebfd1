package declare

import (
	"slices"

	"github.com/gowarren/warren/broker"
)

// Shared returns what any connection may declare: t without the queues exclusive to one connection,
// and their bindings.
func Shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return Only(t, func(queue string) bool { return !exclusive[queue] })
}

// Only returns t with only the queues that keep accepts, and their bindings.
func Only(t broker.Topology, keep func(queue string) bool) broker.Topology {
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return !keep(q.Name) }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return !keep(b.Queue) }),
	}
}

// without returns t without the named queues and their bindings.
func without(t broker.Topology, queues []string) broker.Topology {
	return Only(t, func(name string) bool { return !slices.Contains(queues, name) })
}
