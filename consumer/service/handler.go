package service

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Handler is a queue and what becomes of its messages. It is an [Option] of [New] and [Run]. Queue and Handle
// are required.
type Handler struct {
	// Queue is consumed, by this handler of the service alone. Its layers may add to it; see
	// [needs.Of].
	Queue broker.Queue
	// Keys are the routing keys with which Queue is bound to Exchange. Default: none, messages come by the
	// queue's name.
	Keys []string
	// Exchange is what Queue is bound to. One with a Kind is declared, one with a Name alone is only bound to. Default: amq.topic,
	// which every broker has. For a headers exchange use [Topology].
	Exchange broker.Exchange
	// Stack has the layers around Handle. It is built once by [New], and anew each time that the handler is
	// started again. Default: no layers, so that Handle
	// has to settle.
	Stack stack.Stack
	// Handle processes a message. It outlives the runs, and must be ready for the next one when one has ended.
	Handle processor.Processor
	// Workers is how many messages are processed at once. It overrides [Consumers], and so the settings of package
	// config. Default, also for 0: what Consumers says, or else 1.
	Workers int
	// Prefetch is how many unsettled messages the broker may deliver. It overrides [Consumers], too. Default, also
	// for 0: what Consumers says, or else twice the workers, and at least 10.
	Prefetch int
	// Options are further options of the consumer, such as [consumer.MessageContext] and [consumer.OrderBy].
	// They count more than those of [Consumers].
	Options []consumer.Option
}

// defaultExchange is what keys are bound to.
const defaultExchange = "amq.topic"

// bindings are those of the keys, with the exchange if it is to be declared.
func (h Handler) bindings() (broker.Topology, error) {
	var t broker.Topology
	x, keys := h.Exchange, h.Keys
	if err := checkExchange(x); err != nil {
		return t, err
	}
	own, isOwn := broker.PreDeclared()[x.Name]
	kind := cmp.Or(x.Kind, own)
	if kind == broker.Fanout && len(keys) == 0 {
		keys = []string{""}
	}
	if kind == broker.HeadersKind {
		return t, fmt.Errorf("the Exchange %q routes by headers, and Keys have none: "+
			"bind the queue with service.Topology", x.Name)
	}
	if x.Name != "" && len(keys) == 0 {
		return t, fmt.Errorf("there is the Exchange %q and no Keys: nothing would be bound to it; add Keys", x.Name)
	}
	for _, key := range keys {
		b := broker.Binding{Exchange: cmp.Or(x.Name, defaultExchange), Queue: h.Queue.Name, RoutingKey: key}
		t.Bindings = append(t.Bindings, b)
	}
	if x.Kind != "" && !isOwn {
		t.Exchanges = []broker.Exchange{x}
	}
	return t, nil
}

// checkExchange finds what would be ignored.
func checkExchange(x broker.Exchange) error {
	own, isOwn := broker.PreDeclared()[x.Name]
	bare := reflect.DeepEqual(x, broker.Exchange{Name: x.Name, Kind: x.Kind})
	switch {
	case x.Name == "" && (x.Kind != "" || !bare):
		return errors.New("the Exchange has no Name: give it one")
	case isOwn && x.Kind != "" && x.Kind != own:
		return fmt.Errorf("the Exchange %q has Kind %q, and the broker's own is %q: leave out the Kind, or give it another Name", x.Name, x.Kind, own)
	case isOwn && !bare:
		return fmt.Errorf("the Exchange %q is the broker's own and is not declared: give it another Name, or leave out all but that", x.Name)
	case x.Kind == "" && !bare:
		return fmt.Errorf("the Exchange %q has no Kind, so it is not declared: give it one, or leave out all but its Name", x.Name)
	}
	return nil
}

// needs is what the handler needs for work, its queue.
func (h Handler) needs(work broker.Queue, pipeline *stack.Pipeline) (broker.Topology, error) {
	t, err := needs.Of(work, pipeline)
	if err != nil {
		return t, err
	}
	bound, err := h.bindings()
	if err != nil {
		return t, err
	}
	t, err = t.Extend(bound)
	return t, errors.Join(err, t.Validate())
}

// bare reports whether only the queue's name is said.
func (h Handler) bare() bool { return reflect.DeepEqual(h.Queue, broker.Queue{Name: h.Queue.Name}) }

// newConsumer returns one with the options for all handlers, those of this one, and more.
func (h Handler) newConsumer(b broker.Broker, p *stack.Pipeline, common []consumer.Option, more ...consumer.Option) (*consumer.Consumer, error) {
	opts := slices.Clone(common)
	if h.Workers != 0 {
		opts = append(opts, consumer.Workers(h.Workers))
	}
	if h.Prefetch != 0 {
		opts = append(opts, consumer.Prefetch(h.Prefetch))
	}
	opts = append(append(opts, h.Options...), more...)
	return consumer.New(b.Source(h.Queue.Name), p, opts...)
}
