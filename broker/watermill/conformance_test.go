package watermill_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/brokertest"
	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// A GoChannel is no queue: each subscription gets a copy of every earlier message, in any order,
// and forgets messages in flight when it ends. It takes messages of any size.
func TestConformance(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(tb testing.TB) broker.Broker {
		tb.Helper()
		return &goChannelBroker{tb: tb, channel: gochannel.NewGoChannel(gochannel.Config{Persistent: true}, nil)}
	}, brokertest.Without(brokertest.Topologies, brokertest.Queues, brokertest.Order, brokertest.Redelivered, brokertest.Limits))
}

// goChannelBroker closes the subscriber and publisher, which the adapters do not.
type goChannelBroker struct {
	tb      testing.TB
	channel *gochannel.GoChannel

	mu            sync.Mutex
	subscriptions []broker.Subscription
	closed        bool
}

func (b *goChannelBroker) Declare(_ context.Context, t broker.Topology) error {
	if b.isClosed() {
		return processor.ErrClosed
	}
	if len(t.Exchanges)+len(t.Bindings) > 0 || slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.DeadLetter != nil || q.MessageTTL != 0 }) {
		return fmt.Errorf("%w: a GoChannel has topics", broker.ErrTopology)
	}
	return nil
}

func (b *goChannelBroker) Source(queue string) broker.Source {
	return goChannelSource{must.Have(watermill.NewSource(b.channel, queue, watermill.Discard(nil))), b}
}

func (b *goChannelBroker) Publisher() processor.Publisher {
	return processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		if b.isClosed() {
			return processor.ErrClosed
		}
		return must.Have(watermill.NewPublisher(b.channel)).Publish(ctx, to, e)
	})
}

func (b *goChannelBroker) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

func (b *goChannelBroker) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	subscriptions := b.subscriptions
	b.mu.Unlock()
	for _, s := range subscriptions {
		require.NoError(b.tb, s.Close(ctx))
	}
	return b.channel.Close()
}

type goChannelSource struct {
	broker.Source
	broker *goChannelBroker
}

func (s goChannelSource) Subscribe(ctx context.Context, o broker.SubscribeOptions) (broker.Subscription, error) {
	sub, err := s.Source.Subscribe(ctx, o)
	if err == nil {
		s.broker.mu.Lock()
		s.broker.subscriptions = append(s.broker.subscriptions, sub)
		s.broker.mu.Unlock()
	}
	return sub, err
}
