package pubsub_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/processor"
)

// stuck is a broker whose publishes wait, until let or the end of their context.
type stuck struct {
	broker.Broker

	let chan struct{}
}

func (s stuck) Publisher() processor.Publisher {
	return processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		select {
		case <-s.let:
			return s.Broker.Publisher().Publish(ctx, to, e)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
}

func TestCloseWaitsForWhatIsBeingPublished(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := stuck{b, make(chan struct{})}
		p := publisher(t, s, pubsub.DurableQueue())
		published, closed := make(chan error, 1), make(chan error, 1)
		go func() { published <- p.Publish("mail", text("1")) }()
		synctest.Wait()
		go func() { closed <- p.Close() }()
		synctest.Wait()
		require.Empty(t, closed)
		require.ErrorIs(t, p.Publish("mail", text("2")), processor.ErrClosed)
		close(s.let)
		require.NoError(t, <-published)
		require.NoError(t, <-closed)
		require.NoError(t, p.Close())
		requireReady(t, b, 1)
	})
}

func TestAPublishEndsInTime(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		p := publisher(t, stuck{Broker: b}, pubsub.DurableQueue())
		begun := time.Now()
		require.ErrorContains(t, p.Publish("mail", text("1"), text("2")), "no answer in 30s")
		require.Equal(t, 30*time.Second, time.Since(begun))

		// The context of any of the messages ends it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		short := text("3")
		short.SetContext(ctx)
		begun = time.Now()
		require.Error(t, p.Publish("mail", text("1"), short))
		require.Equal(t, time.Second, time.Since(begun))
	})
}

func TestWhatFollowsAFailureIsNotPublished(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		bad := text("2")
		bad.Metadata[strings.Repeat("x", 300)] = "too long a name"
		err := publisher(t, b, pubsub.DurableQueue()).Publish("mail", text("1"), bad, text("3"))
		require.ErrorIs(t, err, processor.ErrTooLarge)
		require.NotErrorIs(t, err, processor.ErrIndeterminate)
		require.ErrorContains(t, err, "2 of 3 messages")
		requireReady(t, b, 1)
	})
}

// batches is a broker whose publisher takes batches, and gives each message a set answer.
type batches struct {
	broker.Broker

	errs []error
}

func (b batches) Publisher() processor.Publisher { return b }

func (b batches) Publish(context.Context, processor.Destination, processor.Envelope) error {
	return b.errs[0]
}

func (b batches) PublishBatch(context.Context, processor.Destination, []processor.Envelope) []error {
	return b.errs
}

func TestADoubtIsNeverHidden(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		for _, errs := range [][]error{
			{processor.ErrIndeterminate, processor.ErrRefused, processor.ErrSkipped},
			{processor.ErrRefused, processor.ErrIndeterminate, processor.ErrSkipped},
		} {
			err := publisher(t, batches{b, errs}, pubsub.DurableQueue()).Publish("mail", text("1"), text("2"), text("3"))
			require.ErrorIs(t, err, processor.ErrIndeterminate)
			require.ErrorIs(t, err, processor.ErrRefused)
		}
		require.NoError(t, publisher(t, batches{b, nil}, pubsub.DurableQueue()).Publish("mail", text("1"), text("2")))
		err := publisher(t, batches{b, []error{processor.ErrSkipped, processor.ErrUnroutable}}, pubsub.DurableQueue(), pubsub.AllowUnroutable()).
			Publish("mail", text("1"), text("2"))
		require.ErrorIs(t, err, processor.ErrSkipped, "one was routed nowhere, the other not published")
	})
}

func TestAMessageThatNoQueueTakesDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		l := pubsub.DurablePubSub("")
		require.NoError(t, publisher(t, b, l, pubsub.AllowUnroutable()).Publish("mail", text("1"), text("2")))
		err := publisher(t, b, l).Publish("mail", text("1"), text("2"))
		require.ErrorIs(t, err, processor.ErrUnroutable)
		require.NotErrorIs(t, err, processor.ErrSkipped)
	})
}

func TestNothingIsPublishedForNoMessages(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		require.NoError(t, publisher(t, b, pubsub.DurableQueue()).Publish("mail"))
	})
}

// Messages that handlers produce while the router is being closed are published, and the handlers'
// messages are acked: watermill-amqp requeues these, and its publisher is closed before.
func TestARouterThatIsClosedFinishesItsWork(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1")
		router := message.NewDefaultRouter(nil)
		begun := make(chan struct{})
		router.AddHandler("mail", "mail", subscriber(t, b, pubsub.DurableQueue()),
			"receipts", publisher(t, b, pubsub.DurableQueue()), func(msg *message.Message) ([]*message.Message, error) {
				close(begun)
				time.Sleep(5 * time.Second)
				return []*message.Message{text("receipt of " + msg.UUID)}, msg.Context().Err()
			})
		ended := make(chan error, 1)
		go func() { ended <- router.Run(context.Background()) }()
		<-begun
		require.NoError(t, router.Close())
		require.NoError(t, <-ended)
		requireReady(t, b, 0)
		s := subscriber(t, b, pubsub.DurableQueue(), pubsub.CloseTimeout(0))
		require.Equal(t, "receipt of 1", next(t, subscribe(t, s, "receipts")).UUID)
		require.NoError(t, s.Close())
	})
}
