package memory

import (
	"context"
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/exchange"
	"github.com/gowarren/warren/broker/memory/internal/queue"
	"github.com/gowarren/warren/broker/memory/internal/settings"
	"github.com/gowarren/warren/broker/memory/internal/version"
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
	p, err := newPlan(t, b.state.model)
	if err != nil {
		return err
	}
	b.state.Lock()
	defer b.state.Unlock()
	if b.state.closed {
		return errClosed()
	}
	if err := p.check(b.state); err != nil {
		return err
	}
	p.apply(b.state)
	return nil
}

// Redeclare is Declare: here everything stays declared, unless it expires.
func (b *Broker) Redeclare(ctx context.Context, t broker.Topology) error { return b.Declare(ctx, t) }

// plan is a topology in this broker's terms.
type plan struct {
	exchanges map[string]*exchange.Exchange
	queues    map[string]settings.Queue
	bindings  []broker.Binding
}

func newPlan(t broker.Topology, model *version.Model) (plan, error) {
	p := plan{exchanges: map[string]*exchange.Exchange{}, queues: map[string]settings.Queue{}}
	errs := make([]error, 0, len(t.Exchanges)+len(t.Queues)+len(t.Bindings))
	for _, x := range t.Exchanges {
		made, err := exchange.New(x, model)
		errs = append(errs, err)
		p.exchanges[x.Name] = made
	}
	for _, q := range t.Queues {
		read, err := settings.ReadQueue(q, model)
		errs = append(errs, err)
		p.queues[q.Name] = read
	}
	for _, bind := range t.Bindings {
		bind.Arguments = bind.AllArguments() // a copy, with the types that messages have
		errs = append(errs, exchange.Check(bind))
		p.bindings = append(p.bindings, bind)
	}
	return p, errors.Join(errs...)
}

// check changes nothing.
func (p plan) check(s *state) error {
	var errs []error
	for name, x := range p.exchanges {
		if old := s.exchanges[name]; old != nil && old.Settings != x.Settings {
			errs = append(errs, mismatch("exchange", name, old.Settings, x.Settings))
		}
	}
	for name, q := range p.queues {
		if old := s.queues[name]; old != nil && old.Settings != q {
			errs = append(errs, mismatch("queue", name, old.Settings, q))
		}
	}
	for _, bind := range p.bindings {
		if p.exchanges[bind.Exchange] == nil && s.exchanges[bind.Exchange] == nil {
			errs = append(errs, fmt.Errorf("memory: binding of queue %q: exchange %q does not exist", bind.Queue, bind.Exchange))
		}
		if _, planned := p.queues[bind.Queue]; !planned && s.queues[bind.Queue] == nil {
			errs = append(errs, fmt.Errorf("memory: binding to exchange %q: %w", bind.Exchange, noQueue(bind.Queue)))
		}
	}
	return errors.Join(errs...)
}

func mismatch(what, name string, have, want fmt.Stringer) error {
	return fmt.Errorf("memory: %s %q: %w: it has %v, declared was %v", what, name, broker.ErrMismatch, have, want)
}

func (p plan) apply(s *state) {
	s.topology++
	for name, x := range p.exchanges {
		if s.exchanges[name] == nil {
			s.exchanges[name] = x
		}
	}
	for name, q := range p.queues {
		if old := s.queues[name]; old != nil {
			old.RenewLease()
		} else {
			s.queues[name] = queue.New(name, q, s, s.model, s.clock)
		}
	}
	for _, bind := range p.bindings {
		s.exchanges[bind.Exchange].Bind(bind, s.queues[bind.Queue])
	}
}
