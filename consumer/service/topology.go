package service

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor/stack"
)

// part is a handler with what it needs.
type part struct {
	Handler
	pipeline *stack.Pipeline // of the first run
	topology broker.Topology // the work queue first
}

// plan returns the parts and the whole of what they need. A handler whose queue is only named takes what the others
// say of it, which is known after they have been asked once.
func (c *config) plan() ([]part, broker.Topology, error) {
	parts := make([]part, len(c.handlers))
	var errs []error
	for i, h := range c.handlers {
		pipeline, err := h.Stack.Then(h.Handle)
		if err != nil {
			errs = append(errs, h.wrong(err))
			continue
		}
		t, _ := h.needs(h.Queue, pipeline) // what is wrong is found below
		parts[i] = part{h, pipeline, t}
	}
	for i, p := range parts {
		if p.pipeline == nil {
			continue
		}
		t, err := p.needs(c.described(i, parts), p.pipeline)
		if err != nil {
			errs = append(errs, p.wrong(err))
		}
		parts[i].topology = t
	}
	if err := errors.Join(errs...); err != nil {
		return nil, broker.Topology{}, err
	}
	whole, err := c.merge(parts)
	return parts, whole, err
}

func (h Handler) wrong(err error) error {
	return fmt.Errorf("service: the handler of queue %q: %w", h.Queue.Name, err)
}

// described is the queue of a handler, as the others describe it if its own does not.
func (c *config) described(i int, parts []part) broker.Queue {
	work := c.handlers[i].Queue
	if !c.handlers[i].bare() {
		return work
	}
	lists := [][]broker.Queue{c.extra.Queues}
	for j, other := range parts {
		if j != i {
			lists = append(lists, other.topology.Queues)
		}
	}
	for _, queues := range lists {
		for _, q := range queues {
			if q.Name == work.Name {
				return q
			}
		}
	}
	return work
}

// merge puts the parts together.
func (c *config) merge(parts []part) (broker.Topology, error) {
	whole := c.extra
	for i, p := range parts {
		next, err := whole.Extend(p.topology)
		if err == nil {
			whole = next
			continue
		}
		with := "Topology"
		for _, before := range parts[:i] {
			if _, differs := before.topology.Extend(p.topology); differs != nil {
				with = fmt.Sprintf("the handler of queue %q", before.Queue.Name)
				break
			}
		}
		return whole, fmt.Errorf("service: the handler of queue %q contradicts %s: %w; "+
			"a Queue with nothing but a name takes what the others say of it", p.Queue.Name, with, err)
	}
	if err := errors.Join(whole.Validate(), whole.CheckLoops()); err != nil {
		return whole, fmt.Errorf("service: %w", err)
	}
	return whole, nil
}
