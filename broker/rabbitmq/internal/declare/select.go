package declare

import (
	"reflect"
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

// Lasting returns what every session declares: t without the queues that the broker removes with
// their last consumer, and without the exchanges that it then removes as well. They belong to a
// subscription, which declares them before it consumes; see [OfSubscription]. Declared by a session,
// such a queue would come back without a consumer, fill up, and stay.
func Lasting(t broker.Topology) broker.Topology {
	leaving := autoDelete(t)
	if len(leaving) == 0 {
		return t
	}
	return Forget(t, broker.Topology{Queues: leaving})
}

// OfSubscription returns what a subscription to the queue declares itself.
func OfSubscription(t broker.Topology, queue string) broker.Topology {
	own := Only(t, func(name string) bool { return name == queue })
	own.Exchanges = nil
	if own.Queues = autoDelete(own); len(own.Queues) == 0 {
		return broker.Topology{}
	}
	for _, x := range t.Exchanges {
		if x.AutoDelete && isBound(own, x.Name) {
			own.Exchanges = append(own.Exchanges, x)
		}
	}
	return own
}

// Forget returns t without the named parts of gone, without the bindings of its queues and
// exchanges, and without the exchanges that the broker removes with the last of those.
func Forget(t, gone broker.Topology) broker.Topology {
	left := broker.Topology{Owned: t.Owned}
	for _, q := range t.Queues {
		if !slices.ContainsFunc(gone.Queues, func(g broker.Queue) bool { return g.Name == q.Name }) {
			left.Queues = append(left.Queues, q)
		}
	}
	for _, b := range t.Bindings {
		if !takes(gone, b) {
			left.Bindings = append(left.Bindings, b)
		}
	}
	for _, x := range t.Exchanges {
		named := slices.ContainsFunc(gone.Exchanges, func(g broker.Exchange) bool { return g.Name == x.Name })
		if !named && (!x.AutoDelete || isBound(left, x.Name) || !isBound(t, x.Name)) {
			left.Exchanges = append(left.Exchanges, x)
		}
	}
	return left
}

// takes reports whether a binding goes with the parts that are gone.
func takes(gone broker.Topology, b broker.Binding) bool {
	return slices.ContainsFunc(gone.Queues, func(q broker.Queue) bool { return q.Name == b.Queue }) ||
		slices.ContainsFunc(gone.Exchanges, func(x broker.Exchange) bool { return x.Name == b.Exchange }) ||
		slices.ContainsFunc(gone.Bindings, func(g broker.Binding) bool {
			return g.Exchange == b.Exchange && g.Queue == b.Queue && g.RoutingKey == b.RoutingKey &&
				reflect.DeepEqual(g.AllArguments(), b.AllArguments())
		})
}

func autoDelete(t broker.Topology) []broker.Queue {
	return slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return !q.AutoDelete })
}

func isBound(t broker.Topology, exchange string) bool {
	return slices.ContainsFunc(t.Bindings, func(b broker.Binding) bool { return b.Exchange == exchange })
}
