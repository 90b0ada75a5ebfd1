package pubsub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/watermill/pubsub"
	"github.com/gowarren/warren/processor"
)

// inBubble runs f with a memory broker and fake time.
func inBubble(t *testing.T, f func(t *testing.T, b *memory.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer rig.Close(b)
		f(t, b)
	})
}

func publish(tb testing.TB, b broker.Broker, topic string, bodies ...string) {
	tb.Helper()
	messages := make([]*message.Message, len(bodies))
	for i, body := range bodies {
		messages[i] = text(body)
	}
	require.NoError(tb, publisher(tb, b, pubsub.DurableQueue()).Publish(topic, messages...))
}

// none asserts that no more messages are delivered for now.
func none(tb testing.TB, messages <-chan *message.Message) {
	tb.Helper()
	synctest.Wait()
	select {
	case msg, ok := <-messages:
		require.FailNow(tb, "unexpected", "message %v, open %v", msg, ok)
	default:
	}
}

// requireReady asserts how many messages of the queue mail are ready.
func requireReady(tb testing.TB, b broker.Broker, n int) {
	tb.Helper()
	counter, ok := b.(broker.Counter)
	require.True(tb, ok)
	got, err := counter.Ready(tb.Context(), "mail")
	require.NoError(tb, err)
	require.Equal(tb, n, got)
}

func TestAsManyMessagesAreInFlightAsAllowed(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2", "3", "4")
		s := subscriber(t, b, pubsub.DurableQueue(), pubsub.InFlight(3), pubsub.Prefetch(4))
		messages := subscribe(t, s, "mail")
		first, _, _ := next(t, messages), next(t, messages), next(t, messages)
		none(t, messages)
		require.True(t, first.Ack())
		require.True(t, next(t, messages).Ack())
		none(t, messages)
		require.NoError(t, s.Close())
		requireReady(t, b, 2)
	})
}

func TestNothingIsHandedOutBeforeTheAckByDefault(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2")
		s := subscriber(t, b, pubsub.DurableQueue())
		messages := subscribe(t, s, "mail")
		first := next(t, messages)
		none(t, messages)
		require.True(t, first.Nack())
		again := next(t, messages)
		require.Equal(t, first.UUID, again.UUID, "in its place")
		require.True(t, again.Ack())
		require.Equal(t, "2", next(t, messages).UUID)
		require.NoError(t, s.Close())
	})
}

func TestAMessagesContextEndsWithItsSettlement(t *testing.T) {
	t.Parallel()
	type key struct{}
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2")
		s := subscriber(t, b, pubsub.DurableQueue())
		messages, err := s.Subscribe(context.WithValue(context.Background(), key{}, "value"), "mail")
		require.NoError(t, err)
		for _, settle := range []func(*message.Message) bool{(*message.Message).Ack, (*message.Message).Nack} {
			msg := next(t, messages)
			require.Equal(t, "value", msg.Context().Value(key{}))
			require.NoError(t, msg.Context().Err())
			require.True(t, settle(msg))
			<-msg.Context().Done()
		}
		require.NoError(t, s.Close())
	})
}

// A message that always fails is requeued at once each time, and is no busy loop.
func TestANackedMessageIsNoBusyLoop(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1")
		s := subscriber(t, b, pubsub.DurableQueue())
		messages := subscribe(t, s, "mail")
		begun := time.Now()
		for range 100 {
			require.True(t, next(t, messages).Nack())
			synctest.Wait()
			requireReady(t, b, 0) // prefetched: the place is empty, not the queue full
		}
		require.InDelta(t, 4.7, time.Since(begun).Seconds(), 0.1)
		require.True(t, next(t, messages).Ack())

		publish(t, b, "mail", "2")
		begun = time.Now()
		require.True(t, next(t, messages).Nack())
		require.True(t, next(t, messages).Ack())
		require.Equal(t, time.Millisecond, time.Since(begun), "the ack has ended it")
		require.NoError(t, s.Close())
	})
}

func TestCloseWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2")
		s := subscriber(t, b, pubsub.DurableQueue(), pubsub.InFlight(2))
		messages := subscribe(t, s, "mail")
		first, second := next(t, messages), next(t, messages)
		begun := time.Now()
		go func() {
			time.Sleep(9 * time.Second)
			first.Ack()
			second.Nack()
		}()
		require.NoError(t, s.Close())
		require.Equal(t, 9*time.Second, time.Since(begun))
		_, open := <-messages
		require.False(t, open)
		requireReady(t, b, 1)
		require.NoError(t, s.Close())
	})
}

func TestWhatTakesTooLongAfterCloseGoesBack(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2")
		s := subscriber(t, b, pubsub.DurableQueue(), pubsub.CloseTimeout(5*time.Second))
		messages := subscribe(t, s, "mail")
		msg := next(t, messages)
		begun := time.Now()
		cut := make(chan time.Duration, 1)
		go func() {
			<-msg.Context().Done()
			cut <- time.Since(begun)
		}()
		require.NoError(t, s.Close())
		require.Equal(t, 5*time.Second, <-cut)
		require.Equal(t, 5900*time.Millisecond, time.Since(begun))
		require.True(t, msg.Ack(), "too late, and no error")
		requireReady(t, b, 2)
		require.Equal(t, "1", next(t, subscribe(t, subscriber(t, b, pubsub.DurableQueue(), pubsub.CloseTimeout(0)), "mail")).UUID)
	})
}

func TestAHandlerThatNoticesTheEndOfItsContextIsHeard(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1")
		s := subscriber(t, b, pubsub.DurableQueue(), pubsub.CloseTimeout(0))
		msg := next(t, subscribe(t, s, "mail"))
		go func() {
			<-msg.Context().Done()
			msg.Ack()
		}()
		require.NoError(t, s.Close())
		requireReady(t, b, 0)
	})
}

func TestASubscriptionEndsWithItsContextAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1", "2")
		s := subscriber(t, b, pubsub.DurableQueue())
		ctx, cancel := context.WithCancel(t.Context())
		messages, err := s.Subscribe(ctx, "mail")
		require.NoError(t, err)
		msg := next(t, messages)
		cancel()
		synctest.Wait()
		require.NoError(t, msg.Context().Err(), "it has the close timeout")
		require.True(t, msg.Ack())
		_, open := <-messages
		require.False(t, open)

		require.Equal(t, "2", next(t, subscribe(t, s, "mail")).UUID)
		require.NoError(t, s.Close())
	})
}

func TestAClosedSubscriberTakesNoSubscription(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := subscriber(t, b, pubsub.DurableQueue())
		require.NoError(t, s.Close())
		_, err := s.Subscribe(t.Context(), "mail")
		require.ErrorIs(t, err, processor.ErrClosed)
		require.ErrorIs(t, s.SubscribeInitialize("mail"), processor.ErrClosed)
	})
}

func TestTheChannelIsClosedWithTheBroker(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := subscriber(t, b, pubsub.DurableQueue())
		messages := subscribe(t, s, "mail")
		require.NoError(t, b.Close(t.Context()))
		_, open := <-messages
		require.False(t, open)
		require.NoError(t, s.Close())
	})
}

func TestASubscriptionThatFailsIsAnError(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		publish(t, b, "mail", "1")
		other := pubsub.DurableQueue().Queues(func(q *broker.Queue) { q.MaxLength = 7 })
		s := subscriber(t, b, other)
		_, err := s.Subscribe(t.Context(), "mail")
		require.ErrorIs(t, err, broker.ErrMismatch)
		require.ErrorIs(t, s.SubscribeInitialize("mail"), broker.ErrMismatch)
		require.NoError(t, s.Close())
	})
}

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	b := memory.New()
	t.Cleanup(func() { rig.Close(b) })
	for _, opts := range [][]pubsub.SubscriberOption{
		{nil}, {pubsub.InFlight(0)}, {pubsub.InFlight(2), pubsub.Prefetch(1)}, {pubsub.Prefetch(-1)},
		{pubsub.CloseTimeout(-1)}, {pubsub.CloseTimeout(10)}, {pubsub.NackPause(-1)}, {pubsub.NackPause(10)},
	} {
		_, err := pubsub.NewSubscriber(b, pubsub.DurableQueue(), opts...)
		require.Error(t, err)
	}
	for _, opts := range [][]pubsub.PublisherOption{{nil}, {pubsub.Timeout(0)}, {pubsub.Timeout(10)}} {
		_, err := pubsub.NewPublisher(b, pubsub.DurableQueue(), opts...)
		require.Error(t, err)
	}
	_, err := pubsub.NewSubscriber(nil, pubsub.DurableQueue())
	require.Error(t, err)
	_, err = pubsub.NewSubscriber(b, pubsub.DurablePubSub(""))
	require.ErrorContains(t, err, "group")
	_, err = pubsub.NewPublisher(nil, pubsub.DurableQueue())
	require.Error(t, err)
	_, err = pubsub.NewPublisher(b, pubsub.Layout{})
	require.Error(t, err)
}

// Its panic left a subscriber that could not be closed, and ended the process when the subscription
// was lost.
func TestALayoutThatPanicsIsAnError(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, b *memory.Broker) {
		s := subscriber(t, b, pubsub.Layout{Queue: func(string) broker.Queue { panic("boom") }})
		_, err := s.Subscribe(t.Context(), "mail")
		require.ErrorContains(t, err, "the layout panicked: boom")
		require.NoError(t, s.Close())
	})
}
