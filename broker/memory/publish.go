package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// Publisher returns the broker's publisher. Once Publish has returned nil, the message
// is in every queue that it was routed to. It never blocks.
func (b *Broker) Publisher() processor.Publisher { return publisher{b} }

type publisher struct{ broker *Broker }

var (
	_ processor.Publisher    = publisher{}
	_ broker.TopologyChecker = publisher{}
)

// CheckTopology says what Declare would refuse on any broker.
func (p publisher) CheckTopology(t broker.Topology) error {
	_, err := p.broker.model.newPlan(t)
	return err
}

func (p publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := p.broker
	m, err := b.model.newMessage(to, e)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.unlock()
	if err := b.publish(m); err != nil {
		return fmt.Errorf("memory: publish to %v: %w", to, err)
	}
	return nil
}

// newMessage copies e, with its properties as the wire would have them.
func (m *model) newMessage(to processor.Destination, e processor.Envelope) (*message, error) {
	e, err := broker.Prepare(to, e) // a copy of the headers
	if err != nil {
		return nil, err
	}
	if len(e.Body) > m.maxBody {
		return nil, fmt.Errorf("memory: publish to %v: %w: the body has %d bytes, the limit of RabbitMQ %d.%d is %d by default",
			to, processor.ErrTooLarge, len(e.Body), m.major, m.minor, m.maxBody)
	}
	e.Body = bytes.Clone(e.Body)
	e.Expiration = wholeMillis(e.Expiration)
	if e.Timestamp.Unix() == 0 {
		e.Timestamp = time.Time{} // as package amqpwire reads it
	}
	if !e.Timestamp.IsZero() {
		e.Timestamp = e.Timestamp.UTC().Truncate(time.Second)
	}
	msg := &message{exchange: to.Exchange, keys: []string{to.RoutingKey}}
	msg.addKeys(e.Headers, "CC")
	msg.shown = len(msg.keys)
	msg.addKeys(e.Headers, "BCC")
	delete(e.Headers, "BCC") // hidden from consumers
	msg.envelope = e
	return msg, nil
}

// addKeys adds the routing keys of the header CC or BCC.
func (m *message) addKeys(h processor.Headers, name string) {
	keys, _ := h.List(name)
	for _, key := range keys {
		if key, ok := key.(string); ok { // Prepare has checked it
			m.keys = append(m.keys, key)
		}
	}
}

func wholeMillis(d time.Duration) time.Duration {
	if rest := d % time.Millisecond; rest > 0 {
		d += time.Millisecond - rest
	}
	return d
}

func (b *Broker) publish(m *message) error {
	if b.closed {
		return processor.ErrClosed
	}
	x := b.exchanges[m.exchange]
	if x == nil {
		return fmt.Errorf("%w: the exchange does not exist", processor.ErrUnroutable)
	}
	if x.identity.internal {
		return fmt.Errorf("%w: the exchange is internal", processor.ErrForbidden)
	}
	queues := b.route(x, m)
	if len(queues) == 0 {
		return fmt.Errorf("%w: nothing is bound for the key", processor.ErrUnroutable)
	}
	var full []string
	for _, q := range queues {
		if !q.put(m) {
			full = append(full, q.name)
		}
	}
	if len(full) > 0 {
		return fmt.Errorf("%w: full: %q", processor.ErrRefused, full)
	}
	return nil
}
