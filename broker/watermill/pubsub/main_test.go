package pubsub_test

import (
	"context"
	"log"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(restartVariable); address != "" {
		if err := askForRestart(address); err != nil {
			log.Fatal(err)
		}
		return
	}
	// The suite reads how often it runs itself at the same time. Its own default, 10, takes
	// a minute and a half here.
	if os.Getenv(stressVariable) == "" {
		if err := os.Setenv(stressVariable, "3"); err != nil {
			log.Fatal(err)
		}
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	// Watermill's own goroutine, which waits for messages that its test never sends.
	rabbitmqtest.Main(m, goleak.IgnoreTopFunction("github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"))
}

const stressVariable = "STRESS_TEST_COUNT"

// Shared with other tests over RabbitMQ.
const patience = rig.Patience

var (
	open = rig.Open
	name = rig.Name
	raw  = rig.Raw
	get  = rig.Get
)

func subscriber(tb testing.TB, b broker.Broker, l pubsub.Layout, opts ...pubsub.SubscriberOption) *pubsub.Subscriber {
	tb.Helper()
	s, err := pubsub.NewSubscriber(b, l, opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

func publisher(tb testing.TB, b broker.Broker, l pubsub.Layout, opts ...pubsub.PublisherOption) *pubsub.Publisher {
	tb.Helper()
	p, err := pubsub.NewPublisher(b, l, opts...)
	require.NoError(tb, err)
	return p
}

func subscribe(tb testing.TB, s message.Subscriber, topic string) <-chan *message.Message {
	tb.Helper()
	messages, err := s.Subscribe(context.Background(), topic)
	require.NoError(tb, err)
	return messages
}

// next returns the next message.
func next(tb testing.TB, messages <-chan *message.Message) *message.Message {
	tb.Helper()
	select {
	case msg, ok := <-messages:
		require.True(tb, ok, "the channel is closed")
		return msg
	case <-time.After(patience):
		require.FailNow(tb, "no message")
		return nil
	}
}

func text(body string) *message.Message { return message.NewMessage(body, []byte(body)) }
