package broker

import (
	"reflect"

	"github.com/gowarren/warren/processor"
)

// Two parts are equal if a broker would be asked for the same thing.

func (x Exchange) equal(y Exchange) bool {
	return x.Name == y.Name && x.Kind == y.Kind && x.Transient == y.Transient &&
		x.AutoDelete == y.AutoDelete && x.Internal == y.Internal &&
		equalArguments(x.AllArguments(), y.AllArguments())
}

func (q Queue) equal(r Queue) bool {
	return q.Name == r.Name && q.Transient == r.Transient && q.Exclusive == r.Exclusive &&
		q.AutoDelete == r.AutoDelete && equalArguments(q.AllArguments(), r.AllArguments())
}

func (b Binding) equal(c Binding) bool {
	return b.Exchange == c.Exchange && b.Queue == c.Queue && b.RoutingKey == c.RoutingKey &&
		equalArguments(b.Arguments, c.Arguments)
}

func equalArguments(a, b processor.Headers) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// union returns a and b without what is in it already.
func union[T any](a, b []T, equal func(T, T) bool) []T {
	var all []T
	for _, list := range [][]T{a, b} {
		for _, item := range list {
			if !contains(all, item, equal) {
				all = append(all, item)
			}
		}
	}
	return all
}

func contains[T any](list []T, item T, equal func(T, T) bool) bool {
	for _, other := range list {
		if equal(other, item) {
			return true
		}
	}
	return false
}
