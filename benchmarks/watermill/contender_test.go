package watermill_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	wamqp "github.com/ThreeDotsLabs/watermill-amqp/v2/pkg/amqp"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// patience is how long a turn may take.
const patience = 5 * time.Minute

// contender is one way to take messages, and to publish them.
type contender struct {
	name string
	make func(tb testing.TB) (message.Publisher, message.Subscriber)
}

// contenders begin with the reference.
var contenders = []contender{
	{"watermill-amqp", theirs},
	{"default", ours()},
	{"prefetch=100", ours(pubsub.Prefetch(100))},
	{"in-flight=100", ours(pubsub.InFlight(100))},
}

// theirs has its defaults, except confirms and one channel that it keeps: without these it opens a
// channel for each publish and knows nothing of its outcome.
func theirs(tb testing.TB) (message.Publisher, message.Subscriber) {
	tb.Helper()
	config := wamqp.NewDurableQueueConfig(rabbitmqtest.Shared(tb).URL())
	config.Publish.ConfirmDelivery = true
	config.Publish.ChannelPoolSize = 1
	p, err := wamqp.NewPublisher(config, watermill.NopLogger{})
	require.NoError(tb, err)
	s, err := wamqp.NewSubscriber(config, watermill.NopLogger{})
	require.NoError(tb, err)
	closing(tb, p, s)
	return p, s
}

func ours(opts ...pubsub.SubscriberOption) func(testing.TB) (message.Publisher, message.Subscriber) {
	return func(tb testing.TB) (message.Publisher, message.Subscriber) { //nolint:thelper // it makes what is measured
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		b, err := rabbitmq.Open(ctx, []string{rabbitmqtest.Shared(tb).URL()})
		require.NoError(tb, err)
		tb.Cleanup(func() { _ = b.Close(context.Background()) })
		p, err := pubsub.NewPublisher(b, pubsub.DurableQueue())
		require.NoError(tb, err)
		s, err := pubsub.NewSubscriber(b, pubsub.DurableQueue(), opts...)
		require.NoError(tb, err)
		closing(tb, p, s)
		return p, s
	}
}

func closing(tb testing.TB, p message.Publisher, s message.Subscriber) {
	tb.Helper()
	tb.Cleanup(func() {
		require.NoError(tb, p.Close())
		require.NoError(tb, s.Close())
	})
}
