package pubsub_test

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

var ordered = tests.Features{
	GuaranteedOrder:                     true,
	GuaranteedOrderWithSingleSubscriber: true,
	Persistent:                          true,
}

func withGroups(f tests.Features) tests.Features {
	f.ConsumerGroups = true
	return f
}

// pair returns a constructor for a publisher and a subscriber on connections of their own.
func pair(url string, l pubsub.Layout, opts ...pubsub.SubscriberOption) tests.PubSubConstructor {
	return func(t *testing.T) (message.Publisher, message.Subscriber) {
		b := open(t, url)
		p, err := pubsub.NewPublisher(b, l)
		require.NoError(t, err)
		s, err := pubsub.NewSubscriber(b, l, opts...)
		require.NoError(t, err)
		return p, s
	}
}

func groups(url string) tests.ConsumerGroupPubSubConstructor {
	return func(t *testing.T, group string) (message.Publisher, message.Subscriber) {
		return pair(url, pubsub.DurablePubSub(group))(t)
	}
}

// With the defaults.
func TestSuiteOnPubSub(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	tests.TestPubSub(t, withGroups(ordered), pair(url, pubsub.DurablePubSub("test")), groups(url))
}

// Many in flight, so in no order.
func TestStressOfTheSuite(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	features := tests.Features{Persistent: true}
	tests.TestPubSubStressTest(t, features, pair(url, pubsub.DurableQueue().Quorum(), pubsub.InFlight(20), pubsub.CloseTimeout(time.Second)), nil)
}

func TestSuiteOnMemory(t *testing.T) {
	t.Parallel()
	b := memory.New()
	t.Cleanup(func() { rig.Close(b) })
	construct := func(group string) (message.Publisher, message.Subscriber) {
		l := pubsub.DurablePubSub(group)
		return publisher(t, b, l), subscriber(t, b, l, pubsub.CloseTimeout(time.Second), pubsub.NackPause(0))
	}
	tests.TestPubSub(t, withGroups(ordered),
		func(*testing.T) (message.Publisher, message.Subscriber) { return construct("test") },
		func(_ *testing.T, group string) (message.Publisher, message.Subscriber) { return construct(group) })
}
