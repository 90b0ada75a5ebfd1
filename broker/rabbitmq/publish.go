package rabbitmq

import (
	"context"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/publish"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/processor"
)

// publisher is the broker's publisher.
type publisher struct {
	*publish.Publisher

	broker *Broker
}

var (
	_ processor.Publisher      = (*publisher)(nil)
	_ processor.BatchPublisher = (*publisher)(nil)
	_ broker.TopologyChecker   = (*publisher)(nil)
)

func newPublisher(b *Broker) *publisher {
	return &publisher{broker: b, Publisher: publish.New(publish.Broker{
		Life: b.life, Connection: b.publishing, Declared: b.onPublishing.On, Ask: b.Ask,
	})}
}

// CheckTopology returns an error for what the server would silently ignore of t. Without a
// connection it does not know and returns nil; declaring or subscribing reports it later.
func (p *publisher) CheckTopology(t broker.Topology) error {
	now, cancel := context.WithCancel(context.Background())
	cancel() // do not wait
	session, err := p.broker.consuming.Session(now)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	return version.Of(session.ServerProperties()).Lacks(t.Queues)
}
