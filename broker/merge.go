package broker

import (
	"errors"
	"fmt"
)

// Merge returns a topology with the parts of both. Equal parts are listed once, so merging is
// idempotent.
func (t Topology) Merge(other Topology) Topology {
	return Topology{
		Exchanges: union(t.Exchanges, other.Exchanges, Exchange.equal),
		Queues:    union(t.Queues, other.Queues, Queue.equal),
		Bindings:  union(t.Bindings, other.Bindings, Binding.equal),
		Owned:     union(t.Owned, other.Owned, func(a, b string) bool { return a == b }),
	}
}

// Extend is [Topology.Merge] for a topology that adds to one that is declared already.
// A part that both list differently is [ErrMismatch]; the text has the arguments of both.
func (t Topology) Extend(more Topology) (Topology, error) {
	var errs []error
	for _, x := range more.Exchanges {
		for _, old := range t.Exchanges {
			if x.Name == old.Name && !x.equal(old) {
				errs = append(errs, mismatch("exchange", x.Name, old, x))
			}
		}
	}
	for _, q := range more.Queues {
		for _, old := range t.Queues {
			if q.Name == old.Name && !q.equal(old) {
				errs = append(errs, mismatch("queue", q.Name, old, q))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return t, err
	}
	return t.Merge(more), nil
}

func mismatch(what, name string, before, now fmt.Stringer) error {
	return fmt.Errorf("broker: %s %q: %w: declared before as %v, now as %v", what, name, ErrMismatch, before, now)
}

// String returns everything that the exchange is declared with.
func (x Exchange) String() string {
	return fmt.Sprintf("{%s exchange, transient %t, auto-delete %t, internal %t, arguments %v}",
		x.Kind, x.Transient, x.AutoDelete, x.Internal, x.AllArguments())
}

// String returns everything that the queue is declared with.
func (q Queue) String() string {
	return fmt.Sprintf("{queue, transient %t, exclusive %t, auto-delete %t, arguments %v}",
		q.Transient, q.Exclusive, q.AutoDelete, q.AllArguments())
}

// union returns a and the items of b that are not in it yet.
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
