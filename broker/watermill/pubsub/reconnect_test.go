//go:build !race

package pubsub_test

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Not under the race detector: Watermill's test reads a slice that a goroutine of its own
// still appends to. make test runs it by itself.
func TestReconnectOfTheSuite(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	features := ordered
	features.RestartServiceCommand = restartCommand(t, node)
	construct := pair(node.URL(), pubsub.DurableQueue())
	tests.TestReconnect(t, tests.TestContext{TestID: tests.NewTestID(), Features: features},
		func(t *testing.T) (message.Publisher, message.Subscriber) {
			p, s := construct(t)
			return p, lateLast{s}
		})
}

// reconnectMessages is how many messages the suite publishes there.
const reconnectMessages = 10_000

// lateLast delivers the last message a second late. RabbitMQ may deliver a message before it
// confirms it; the suite would then take it for one that was never published.
type lateLast struct{ message.Subscriber }

func (l lateLast) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	in, err := l.Subscriber.Subscribe(ctx, topic)
	if err != nil {
		return nil, err
	}
	out := make(chan *message.Message)
	go func() {
		defer close(out)
		seen := map[string]bool{}
		for msg := range in {
			if seen[msg.UUID] = true; len(seen) == reconnectMessages {
				time.Sleep(time.Second)
			}
			select {
			case out <- msg:
			case <-msg.Context().Done(): // no longer read
			}
		}
	}()
	return out, nil
}

func (l lateLast) SubscribeInitialize(topic string) error {
	return l.Subscriber.(message.SubscribeInitializer).SubscribeInitialize(topic) //nolint:forcetypeassert // it is ours
}
