package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// Declare creates the parts of t that do not exist yet: all of them, or none if there is an
// error.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.Validate(); err != nil {
		return err
	}
	plan, err := b.model.newPlan(t)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.unlock()
	if b.closed {
		return errClosed()
	}
	if err := b.check(plan); err != nil {
		return err
	}
	b.apply(plan)
	return nil
}

// Redeclare is Declare: here everything stays declared, unless it expires.
func (b *Broker) Redeclare(ctx context.Context, t broker.Topology) error { return b.Declare(ctx, t) }

// plan is a topology in this broker's terms.
type plan struct {
	exchanges map[string]*exchange
	queues    map[string]*queue
	bindings  []broker.Binding
}

func (m *model) newPlan(t broker.Topology) (plan, error) {
	p := plan{exchanges: map[string]*exchange{}, queues: map[string]*queue{}}
	var errs []error
	for _, x := range t.Exchanges {
		p.exchanges[x.Name] = m.newExchange(x)
		if p.exchanges[x.Name].router == nil {
			errs = append(errs, fmt.Errorf("memory: exchange %q: %w: kind %q is not supported in memory", x.Name, broker.ErrTopology, x.Kind))
		}
	}
	for _, q := range t.Queues {
		id, err := m.identify(q)
		errs = append(errs, err)
		p.queues[q.Name] = &queue{name: q.Name, identity: id}
	}
	for _, bind := range t.Bindings {
		bind.Arguments = bind.AllArguments() // a copy, with the types that messages have
		errs = append(errs, checkMatch(bind))
		p.bindings = append(p.bindings, bind)
	}
	return p, errors.Join(errs...)
}

func (m *model) newExchange(x broker.Exchange) *exchange {
	alternate, _ := x.AllArguments().String("alternate-exchange")
	return &exchange{
		name:   x.Name,
		model:  m,
		router: m.newRouter(x.Kind),
		identity: exchangeIdentity{
			kind: x.Kind, alternate: alternate,
			transient: x.Transient, autoDelete: x.AutoDelete, internal: x.Internal,
		},
	}
}

// check changes nothing.
func (b *Broker) check(p plan) error {
	var errs []error
	for name, x := range p.exchanges {
		if old := b.exchanges[name]; old != nil && old.identity != x.identity {
			errs = append(errs, mismatch("exchange", name, old.identity, x.identity))
		}
	}
	for name, q := range p.queues {
		if old := b.queues[name]; old != nil && old.identity != q.identity {
			errs = append(errs, mismatch("queue", name, old.identity, q.identity))
		}
	}
	for _, bind := range p.bindings {
		if p.exchanges[bind.Exchange] == nil && b.exchanges[bind.Exchange] == nil {
			errs = append(errs, fmt.Errorf("memory: binding of queue %q: exchange %q does not exist", bind.Queue, bind.Exchange))
		}
		if p.queues[bind.Queue] == nil && b.queues[bind.Queue] == nil {
			errs = append(errs, fmt.Errorf("memory: binding to exchange %q: %w", bind.Exchange, noQueue(bind.Queue)))
		}
	}
	return errors.Join(errs...)
}

func mismatch(what, name string, have, want fmt.Stringer) error {
	return fmt.Errorf("memory: %s %q: %w: it has %v, declared was %v", what, name, broker.ErrMismatch, have, want)
}

func (b *Broker) apply(p plan) {
	for name, x := range p.exchanges {
		if b.exchanges[name] == nil {
			b.exchanges[name] = x
		}
	}
	for name, q := range p.queues {
		if old := b.queues[name]; old != nil {
			old.renewLease()
			continue
		}
		q.open(b)
		b.queues[name] = q
	}
	for _, bind := range p.bindings {
		b.exchanges[bind.Exchange].bind(bind, b.queues[bind.Queue])
	}
}

// remove deletes a queue with its bindings and messages.
func (b *Broker) remove(q *queue) {
	delete(b.queues, q.name)
	for _, x := range b.exchanges {
		x.unbind(q)
	}
}
