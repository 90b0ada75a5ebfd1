package broker

import (
	"reflect"
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
