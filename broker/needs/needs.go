// Package needs puts together what the layers of a stack need in the broker, and says where the stack would lose
// messages.
//
//	topology, err := needs.Of(broker.Queue{Name: "mail", Type: broker.Quorum}, pipeline)
//
// A service (package consumer/service) declares it by itself.
package needs

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// Of returns what p, usually a [*stack.Pipeline], needs in the broker to process the messages of work:
// the work queue first, and whatever its layers say ([broker.TopologyNeeder]), those in the branches of a mux
// included. Layers composed by hand count if they are visible ([stack.Layers]).
//
// Each layer may add to the work queue, such as a delivery limit and a dead-letter target. One that dead-letters
// it to its parked queue goes first; the others leave that as it is. What contradicts is an error that names the
// layers: a queue that two of them need with different arguments, and dead letters that go round ([broker.Loop]).
//
// Nothing is declared. See also [Drops].
func Of(work broker.Queue, p processor.Processor) (broker.Topology, error) {
	if err := stack.Check(p); err != nil {
		return broker.Topology{}, fmt.Errorf("needs: queue %q: %w", work.Name, err)
	}
	t, err := layersOf(p).topology(work)
	if err == nil {
		err = errors.Join(t.Validate(), t.CheckLoops())
	}
	if err != nil {
		return broker.Topology{}, fmt.Errorf("needs: queue %q: %w", work.Name, err)
	}
	return t, nil
}

// needs are the layers that need something.
type needs []need

type need struct {
	name  string
	layer broker.TopologyNeeder
}

func layersOf(p processor.Processor) needs {
	var all needs
	for _, way := range paths(nil, p) {
		for i, l := range way.own() {
			if layer, ok := l.(broker.TopologyNeeder); ok {
				all = append(all, need{fmt.Sprintf("%s (layer %d)", nameOf(l), way.shared+i+1), layer})
			}
		}
	}
	return all
}

func nameOf(layer processor.Processor) string {
	if named, ok := layer.(stack.Layer); ok {
		return named.Name()
	}
	return fmt.Sprintf("%T", layer)
}

// topology merges what all need, with the work queue that suits all.
func (n needs) topology(work broker.Queue) (broker.Topology, error) {
	work, err := n.work(work)
	if err != nil {
		return broker.Topology{}, err
	}
	whole := broker.Topology{Queues: []broker.Queue{work}}
	var before needs
	for _, next := range n {
		t, err := next.topology(work)
		if err != nil {
			return whole, err
		}
		if _, err := whole.Extend(t); err != nil {
			return whole, before.against(next, work, err)
		}
		whole = whole.Merge(t)
		before = append(before, next)
	}
	return whole, nil
}

// against returns err, of next, with the name of the layer that it contradicts.
func (n needs) against(next need, work broker.Queue, err error) error {
	theirs, _ := next.topology(work) // it had no error before
	for _, one := range n {
		ours, _ := one.topology(work)
		if _, differs := ours.Extend(theirs); differs != nil {
			return fmt.Errorf("the layers %s and %s contradict each other: %w; give one of them queues of its own", one.name, next.name, err)
		}
	}
	return fmt.Errorf("the layer %s contradicts the others: %w", next.name, err)
}

// work returns the work queue that suits all layers. Which of them is asked first matters: a layer that parks
// makes its parked queue the dead-letter target, unless there is one. So each is tried as the first, and the
// first result that has a target is taken, or else the first result.
func (n needs) work(work broker.Queue) (broker.Queue, error) {
	var found *broker.Queue
	var problem error
	for first := range n {
		q, err := n.from(first, work)
		switch {
		case err == nil && q.DeadLetter != nil:
			return q, nil
		case err == nil && found == nil:
			found = &q
		case problem == nil:
			problem = err
		}
	}
	if found == nil {
		return work, problem // of the layers in their order, if there are any
	}
	return *found, nil
}

// from hands the work queue from layer to layer, that of index first before the others.
func (n needs) from(first int, work broker.Queue) (broker.Queue, error) {
	for _, next := range slices.Concat(n[first:first+1], n[:first], n[first+1:]) {
		t, err := next.topology(work)
		if err != nil {
			return work, err
		}
		work = t.Queues[0]
	}
	return work, nil
}

// topology is what the layer needs, the work queue first.
func (n need) topology(work broker.Queue) (broker.Topology, error) {
	t, err := n.layer.Topology(work)
	switch {
	case err != nil:
		return t, err
	case len(t.Queues) == 0 || t.Queues[0].Name != work.Name:
		return t, fmt.Errorf("the layer %s returns a topology whose first queue is not the work queue", n.name)
	}
	return t, nil
}
