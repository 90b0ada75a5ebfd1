package processor

import (
	"errors"
	"fmt"
)

// Role is what a layer does to a message, as far as the order of layers matters.
type Role string

// The roles that a stack knows about.
const (
	// Settles: acks or nacks the message when the inner layers return.
	Settles Role = "settles"
	// Retries: publishes a copy of the message when the inner layers fail, and
	// returns nil.
	Retries Role = "retries"
	// Recovers: turns a panic of the inner layers into an error.
	Recovers Role = "recovers"
	// Catches: turns an error of the inner layers into success.
	Catches Role = "catches"
)

// Layer is implemented by processors that say what they are. Shipped ones all do; a
// processor of your own may stay silent, and is then allowed anywhere.
type Layer interface {
	// Name is how the layer is called in errors, such as "retry".
	Name() string
	// Role is what it does; "" where the order does not matter.
	Role() Role
}

// ErrOrder is wrapped by the error of a stack whose layers are in a wrong order.
var ErrOrder = errors.New("layers are in an order that loses or doubles messages")

// orderRule forbids outer anywhere outside inner.
type orderRule struct {
	outer, inner Role
	consequence  string
}

var orderRules = []orderRule{
	{Retries, Settles, "the message is settled as failed before its copy is published: without requeue it is lost if that fails, with requeue it is delivered and failed again and again"},
	{Settles, Catches, "the error is turned into success before it is settled, so every failed message is acked and lost"},
	{Retries, Catches, "the error is turned into success before it is retried, so no message is ever retried and each failed one is acked and lost"},
	{Recovers, Settles, "a panic passes the settlement by, so the message stays unsettled until the connection ends"},
	{Recovers, Retries, "a panic passes the retry by, so a message that panics is never retried"},
	{Settles, Settles, "one delivery is settled twice, and the second settlement fails"},
}

// checkOrder returns an error for each pair of layers that must not stand as they do,
// those of a pipeline within the stack included.
func checkOrder(layers []Processor) error {
	layers = flatten(layers)
	var errs []error
	for i, outer := range layers {
		for _, inner := range layers[i+1:] {
			errs = append(errs, checkPair(outer, inner))
		}
	}
	return errors.Join(errs...)
}

func flatten(layers []Processor) []Processor {
	var flat []Processor
	for _, layer := range layers {
		if p, ok := layer.(*Pipeline); ok {
			flat = append(flat, flatten(p.layers)...)
		} else {
			flat = append(flat, layer)
		}
	}
	return flat
}

func checkPair(outer, inner Processor) error {
	o, ok := outer.(Layer)
	if !ok {
		return nil
	}
	in, ok := inner.(Layer)
	if !ok {
		return nil
	}
	for _, r := range orderRules {
		if r.outer != o.Role() || r.inner != in.Role() {
			continue
		}
		mend := fmt.Sprintf("put %s outside %s", in.Name(), o.Name())
		if r.outer == r.inner {
			mend = "remove one of them"
		}
		return fmt.Errorf("processor: %w: %s is outside %s: %s; %s",
			ErrOrder, o.Name(), in.Name(), r.consequence, mend)
	}
	return nil
}

// layerName is the layer's own name, or its type.
func layerName(p Processor) string {
	if l, ok := p.(Layer); ok {
		return l.Name()
	}
	return fmt.Sprintf("%T", p)
}
