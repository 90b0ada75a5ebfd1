package declare

import (
	"slices"

	"github.com/gowarren/warren/broker"
)

// Shared is what any connection may declare: without the queues that belong to one, and
// their bindings.
func Shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return Only(t, func(queue string) bool { return !exclusive[queue] })
}

// Only returns t with only the queues that are to be kept, and their bindings.
func Only(t broker.Topology, keep func(queue string) bool) broker.Topology {
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return !keep(q.Name) }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return !keep(b.Queue) }),
	}
}

// without returns t without some queues and their bindings.
func without(t broker.Topology, queues []string) broker.Topology {
	return Only(t, func(name string) bool { return !slices.Contains(queues, name) })
}
