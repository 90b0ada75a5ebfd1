package memory

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/processor"
)

// Publisher returns the broker's publisher. Once Publish has returned nil, the message
// is in every queue that it was routed to. It never blocks.
func (b *Broker) Publisher() processor.Publisher { return publisher{b.state} }

type publisher struct{ state *state }

var (
	_ processor.Publisher    = publisher{}
	_ broker.TopologyChecker = publisher{}
)

// CheckTopology says what Declare would refuse on any broker.
func (p publisher) CheckTopology(t broker.Topology) error {
	_, err := newPlan(t, p.state.model)
	return err
}

func (p publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m, err := message.New(to, e, p.state.model)
	if err != nil {
		return err
	}
	p.state.Lock()
	defer p.state.Unlock()
	if err := p.publish(m); err != nil {
		return fmt.Errorf("memory: publish to %v: %w", to, err)
	}
	return nil
}

func (p publisher) publish(m *message.Message) error {
	if p.state.closed {
		return processor.ErrClosed
	}
	x := p.state.exchanges[m.Exchange]
	if x == nil {
		return fmt.Errorf("%w: the exchange does not exist", processor.ErrUnroutable)
	}
	if x.Settings.Internal {
		return fmt.Errorf("%w: the exchange is internal", processor.ErrForbidden)
	}
	queues := p.state.routes.Of(m, m.Exchange, p.state.exchanges)
	if len(queues) == 0 {
		return fmt.Errorf("%w: nothing is bound for the key", processor.ErrUnroutable)
	}
	var full []string
	for _, q := range queues {
		if !q.Put(m) {
			full = append(full, q.Name)
		}
	}
	if len(full) > 0 {
		return fmt.Errorf("%w: full: %q", processor.ErrRefused, full)
	}
	return nil
}
