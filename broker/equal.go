package broker

import (
	"reflect"

	"github.com/gowarren/warren/processor"
)

// Two parts are equal if a broker would be asked for the same thing.

func (x Exchange) equal(y Exchange) bool {
	return x.Name == y.Name && x.Kind == y.Kind && x.Transient == y.Transient &&
		x.AutoDelete == y.AutoDelete && x.Internal == y.Internal &&
		reflect.DeepEqual(x.AllArguments(), y.AllArguments())
}

func (q Queue) equal(r Queue) bool {
	return q.Name == r.Name && q.Transient == r.Transient && q.Exclusive == r.Exclusive &&
		q.AutoDelete == r.AutoDelete && reflect.DeepEqual(q.AllArguments(), r.AllArguments())
}

func (b Binding) equal(c Binding) bool {
	return b.Exchange == c.Exchange && b.Queue == c.Queue && b.RoutingKey == c.RoutingKey &&
		reflect.DeepEqual(b.AllArguments(), c.AllArguments())
}

// onWire makes 5 and int64(5) equal. What cannot be sent stays as it is.
func onWire(h processor.Headers) processor.Headers {
	prepared, err := prepareHeaders(h)
	if err != nil {
		return h
	}
	return prepared
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
