package watermill_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/watermill"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// routing runs a router until the test ends.
func routing(t *testing.T, add func(*message.Router)) {
	t.Helper()
	router := message.NewDefaultRouter(nil)
	add(router)
	ended := make(chan error, 1)
	go func() { ended <- router.Run(t.Context()) }()
	<-router.Running()
	t.Cleanup(func() {
		require.NoError(t, router.Close())
		require.NoError(t, <-ended)
	})
}

func middlewareOf(tb testing.TB, layers stack.Stack, dead watermill.DeadLetter, opts ...watermill.Option) message.HandlerMiddleware {
	tb.Helper()
	m, err := watermill.Middleware(layers, dead, append(opts, watermill.Logger(quiet))...)
	require.NoError(tb, err)
	return m
}

func TestARouterRetriesByTopicAndParks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		parked, err := g.Subscribe(t.Context(), "mail.dead")
		require.NoError(t, err)
		layers := stack.New(
			retry.New(must.Have(watermill.NewPublisher(g)), "mail.%attempt%", retry.Retries(2), retry.ParkKey("mail.dead"), retry.Logger(quiet)),
			recovery.New(recovery.Logger(quiet)))
		topics := make(chan string, 3)
		routing(t, func(r *message.Router) {
			r.AddMiddleware(middlewareOf(t, layers, watermill.Discard(quiet)))
			for _, topic := range []string{"mail", "mail.1", "mail.2"} {
				r.AddConsumerHandler(topic, topic, g, func(m *message.Message) error {
					topics <- message.SubscribeTopicFromCtx(m.Context()) + " " + m.Metadata["swarrot_retry_attempts"]
					panic("boom")
				})
			}
		})
		msg := message.NewMessage("id", []byte("hello"))
		msg.Metadata.Set("tenant", "acme")
		require.NoError(t, g.Publish("mail", msg))
		for _, want := range []string{"mail ", "mail.1 1", "mail.2 2"} {
			require.Equal(t, want, <-topics)
		}
		last := <-parked
		last.Ack()
		require.Equal(t, "id", last.UUID)
		require.Equal(t, "acme", last.Metadata["tenant"])
		require.Equal(t, "3", last.Metadata["warren-failures"])
	})
}

func TestARejectedMessageDoesNotLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		poisoned, err := g.Subscribe(t.Context(), "poison")
		require.NoError(t, err)
		calls := 0
		routing(t, func(r *message.Router) {
			r.AddConsumerHandler("the handler", "mail", g, func(*message.Message) error {
				calls++
				return processor.Reject(errMail)
			}).AddMiddleware(middlewareOf(t, stack.New(ack.New()), watermill.Poison(g, "poison")))
		})
		require.NoError(t, g.Publish("mail", message.NewMessage("id", nil)))
		dead := <-poisoned
		dead.Ack()
		synctest.Wait()
		require.Equal(t, 1, calls)
		require.Equal(t, errMail.Error(), dead.Metadata[middleware.ReasonForPoisonedKey])
		require.Equal(t, "mail", dead.Metadata[middleware.PoisonedTopicKey])
		require.Equal(t, "the handler", dead.Metadata[middleware.PoisonedHandlerKey])
		require.Equal(t, "gochannel.GoChannel", dead.Metadata[middleware.PoisonedSubscriberKey])
	})
}

func TestWatermillsPoisonQueueTakesWhatIsReturned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		poisoned, err := g.Subscribe(t.Context(), "poison")
		require.NoError(t, err)
		poison, err := middleware.PoisonQueueWithFilter(g, "poison", func(err error) bool {
			return processor.Decide(err).Action == processor.Rejected
		})
		require.NoError(t, err)
		routing(t, func(r *message.Router) {
			r.AddMiddleware(poison, middlewareOf(t, stack.New(), watermill.Return))
			r.AddConsumerHandler("mail", "mail", g, func(*message.Message) error { return processor.Reject(errMail) })
		})
		require.NoError(t, g.Publish("mail", message.NewMessage("id", nil)))
		(<-poisoned).Ack()
	})
}

// A message is acked when its produced messages are published, and not before.
func TestWhatIsProducedGoesOutBeforeTheAck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		out := &published{failure: errors.New("broker down")}
		calls := make(chan struct{})
		handle, err := watermill.HandlerFunc(stack.New(ack.New()), func(context.Context, processor.Message) ([]*message.Message, error) {
			<-calls
			return message.Messages{message.NewMessage("answer", nil)}, nil
		}, watermill.Discard(quiet))
		require.NoError(t, err)
		routing(t, func(r *message.Router) { r.AddHandler("mail", "mail", g, "answers", out, handle) })
		require.NoError(t, g.Publish("mail", message.NewMessage("id", nil)))
		calls <- struct{}{}
		synctest.Wait()
		out.mu.Lock()
		out.failure = nil
		out.mu.Unlock()
		calls <- struct{}{} // redelivered, because it was not published
		synctest.Wait()
		require.Equal(t, []string{"answers"}, out.topics)
		close(calls)
	})
}

func TestOnStopMayCloseTheRouter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := goChannel(t, gochannel.Config{})
		router := message.NewDefaultRouter(nil)
		handle, err := watermill.Handler(gives(processor.ErrStop), watermill.Discard(quiet), watermill.OnStop(func(error) { _ = router.Close() }))
		require.NoError(t, err)
		router.AddConsumerHandler("mail", "mail", g, handle)
		go func() {
			<-router.Running()
			_ = g.Publish("mail", message.NewMessage("id", nil))
		}()
		require.NoError(t, router.Run(t.Context()))
	})
}

func TestAConsumerOnAGoChannelDrains(t *testing.T) {
	t.Parallel()
	const messages = 30
	g := goChannel(t, gochannel.Config{Persistent: true})
	for range messages {
		require.NoError(t, g.Publish("mail", message.NewMessage("", nil)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var (
		mu      sync.Mutex
		handled int
	)
	p, err := stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error {
		mu.Lock()
		defer mu.Unlock()
		if handled++; handled == messages {
			cancel()
		}
		return nil
	})
	require.NoError(t, err)
	c := must.Have(consumer.New(must.Have(watermill.NewSource(g, "mail", watermill.Discard(quiet))), p, consumer.Workers(4), consumer.Logger(quiet)))
	start := time.Now()
	require.NoError(t, c.Run(ctx))
	require.Less(t, time.Since(start), 5*time.Second)
	require.Equal(t, messages, handled)
}
