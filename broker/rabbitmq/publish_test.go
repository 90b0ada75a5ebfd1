package rabbitmq_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// publishAll publishes from as many goroutines as there are destinations.
func publishAll(t *testing.T, b *rabbitmq.Broker, tos []processor.Destination) []error {
	t.Helper()
	errs := make([]error, len(tos))
	var wg sync.WaitGroup
	for i, to := range tos {
		wg.Go(func() { errs[i] = b.Publisher().Publish(within(t), to, text(fmt.Sprint(i))) })
	}
	wg.Wait()
	return errs
}

// RabbitMQ returns an unroutable message and then confirms it all the same.
func TestEachOfManyConcurrentPublishesGetsItsOwnOutcome(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 600)
	for i := range tos {
		tos[i] = to(queue)
		if i%2 == 1 {
			tos[i] = to(fmt.Sprintf("%s-nobody-%d", queue, i%3))
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%2 == 1 {
			require.ErrorIs(t, err, processor.ErrUnroutable)
		} else {
			require.NoError(t, err)
		}
	}
	ready(t, b, queue, 300)
}

// The same message, id and key, at the same time, routable or not by its headers alone.
func TestEqualMessagesThatOnlyHeadersTellApart(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: x, Kind: broker.HeadersKind}},
		Queues:    []broker.Queue{{Name: x}},
		Bindings:  []broker.Binding{{Exchange: x, Queue: x, Arguments: processor.Headers{"n": int64(1)}}},
	}))
	errs := make([]error, 200)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			e := text("same")
			e.Headers = processor.Headers{"n": i % 2}
			errs[i] = b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, e)
		})
	}
	wg.Wait()
	for i, err := range errs {
		if i%2 == 1 {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, processor.ErrUnroutable)
		}
	}
	ready(t, b, x, 100)
}

// A missing exchange would close the channel that all share.
func TestAMissingExchangeLeavesTheOtherPublishesUnhurt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 60)
	for i := range tos {
		tos[i] = to(queue)
		if i%10 == 5 {
			tos[i] = processor.Destination{Exchange: queue + "-missing", RoutingKey: "k"}
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%10 == 5 {
			require.ErrorIs(t, err, processor.ErrUnroutable)
			require.ErrorContains(t, err, queue+"-missing")
		} else {
			require.NoError(t, err)
		}
	}
	ready(t, b, queue, 54)
}

func TestAnExchangeThatGoesAwayLaterIsNeverASuccess(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("1")))
	require.NoError(t, ch.ExchangeDelete(x, false, false))

	err := b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	require.ErrorContains(t, err, "404")
	err = b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("3"))
	require.ErrorIs(t, err, processor.ErrUnroutable, "the next channel looks again")
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("4")))
	ready(t, b, queue, 2)
}

// A full queue refuses. That is no reason to stop, and none to hammer.
func TestAFullQueueRefusesAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	full := declareQueue(t, url, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	free := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 200)
	for i := range tos {
		tos[i] = to([]string{full, free}[i%2])
	}
	refused := 0
	for i, err := range publishAll(t, b, tos) {
		switch {
		case i%2 == 1:
			require.NoError(t, err)
		case err != nil:
			require.ErrorIs(t, err, processor.ErrRefused)
			refused++
		}
	}
	ready(t, b, free, 100)
	stored, err := b.Ready(within(t), full)
	require.NoError(t, err)
	require.Equal(t, 100-refused, stored, "what was not refused is there")
}

// A client that publishes on a blocked connection hangs, and then loses the connection.
func TestABrokerLowOnMemoryBlocksPublishingOnly(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	for i := range 3 {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(fmt.Sprint(i))))
	}
	sub := subscribe(t, b, queue, 10)
	node.SetMemoryAlarm(t, true)

	// The first is sent, and makes the broker say that it blocks. Its fate is unknown.
	err := b.Publisher().Publish(withinTime(t, 500*time.Millisecond), to(queue), text("first"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	err = b.Publisher().Publish(withinTime(t, 200*time.Millisecond), to(queue), text("second"))
	require.ErrorIs(t, err, processor.ErrBlocked)
	for range 3 {
		require.NoError(t, receive(t, sub).Ack(), "consuming goes on")
	}

	published := make(chan error, 1)
	go func() { published <- b.Publisher().Publish(within(t), to(queue), text("third")) }()
	node.SetMemoryAlarm(t, false)
	require.NoError(t, <-published)
	require.Equal(t, "first", receive(t, sub).Properties().ID, "it was stored after all")
	require.Equal(t, "third", receive(t, sub).Properties().ID)
}

// A broker that hangs: the outcome is unknown, the wait is the caller's to bound, and so
// is Close.
func TestABrokerThatHangs(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	sub := subscribe(t, b, queue, 10)
	receive(t, sub)
	node.Pause(t)
	t.Cleanup(func() { node.Resume(t) })

	err := b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)

	start := time.Now()
	require.Error(t, sub.Close(withinTime(t, 300*time.Millisecond)))
	_ = b.Close(withinTime(t, time.Second))
	require.Less(t, time.Since(start), 5*time.Second)
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("3")), processor.ErrClosed)
}

// Heartbeats notice a node that hangs, and what waited becomes unknown.
func TestHeartbeatsEndAPublishOnANodeThatHangs(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL(), rabbitmq.Failover(failover.Heartbeat(time.Second)))
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	node.Pause(t)
	start := time.Now()
	err := b.Publisher().Publish(within(t), to(queue), text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	require.Less(t, time.Since(start), 10*time.Second)
	node.Resume(t)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("3")), "on a new connection")
}

// The broker closes all connections, then dies: every message whose publish was
// confirmed is there.
func TestConfirmedMessagesSurviveLostConnections(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	node.Sync(t)
	const goroutines, each = 4, 150
	var mu sync.Mutex
	confirmed := map[string]bool{}
	half := make(chan struct{})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", g, i)
				err := b.Publisher().Publish(within(t), to(queue), text(id))
				mu.Lock()
				if err == nil {
					confirmed[id] = true
					if len(confirmed) == goroutines*each/4 {
						close(half)
					}
				} else if !errors.Is(err, processor.ErrIndeterminate) {
					t.Errorf("publish %s: %v", id, err)
				}
				mu.Unlock()
			}
		})
	}
	<-half
	node.CloseConnections(t, "test")
	node.Kill(t)
	node.Restart(t)
	wg.Wait()

	sub := subscribe(t, b, queue, 1000)
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, len(confirmed), goroutines*each/4)
	for len(confirmed) > 0 {
		msg := receive(t, sub)
		delete(confirmed, msg.Properties().ID)
		require.NoError(t, msg.Ack())
	}
}

// What the client does not call confirmed may well be stored.
func TestPublishesInDoubtMayBeStored(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("known")))
	require.NoError(t, ch.ExchangeDelete(x, false, false)) // behind the publisher's back

	tos := make([]processor.Destination, 40)
	for i := range tos {
		tos[i] = to(queue)
		if i == 20 {
			tos[i] = processor.Destination{Exchange: x}
		}
	}
	confirmed, doubtful := 0, 0
	for i, err := range publishAll(t, b, tos) {
		if err == nil {
			require.NotEqual(t, 20, i)
			confirmed++
			continue
		}
		require.True(t, errors.Is(err, processor.ErrIndeterminate) || errors.Is(err, processor.ErrUnroutable), err)
		doubtful++
	}
	stored, err := b.Ready(within(t), queue)
	require.NoError(t, err)
	require.GreaterOrEqual(t, stored, 1+confirmed, "no success is a lie")
	require.LessOrEqual(t, stored, 1+confirmed+doubtful)
}

func TestASmallerFrameIsRespected(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Config("frame_max = 8192"))
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	e := text("1")
	e.Headers = processor.Headers{"h": strings.Repeat("x", 20_000)}
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), e), processor.ErrTooLarge)
	e.Headers = processor.Headers{"h": strings.Repeat("x", 8_000)}
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), e))
}

func TestTheLargestHeadersThatAreAllowedArrive(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	long := strings.Repeat("x", 255)
	e := processor.Envelope{Properties: processor.Properties{
		ID: long, CorrelationID: long, ReplyTo: long, Type: long, AppID: long, ContentType: long, ContentEncoding: long,
		Timestamp: time.Now(), Priority: 1, Expiration: 9 * 365 * 24 * time.Hour,
	}}
	for n := 131_072; ; n-- {
		e.Headers = processor.Headers{"h": strings.Repeat("x", n)}
		err := b.Publisher().Publish(within(t), to(queue), e)
		if err == nil {
			require.Greater(t, n, 129_000)
			break
		}
		require.ErrorIs(t, err, processor.ErrTooLarge)
	}
	require.Len(t, receive(t, subscribe(t, b, queue, 1)).Headers()["h"], len(e.Headers["h"].(string))) //nolint:forcetypeassert // it is
}

func TestManyPublishesToAnExchangeThatIsNotInTheTopology(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	tos := make([]processor.Destination, 3000)
	for i := range tos {
		tos[i] = processor.Destination{Exchange: x}
	}
	for _, err := range publishAll(t, b, tos) {
		require.NoError(t, err)
	}
	ready(t, b, queue, len(tos))
}

// More are unroutable at once than wait on one channel.
func TestManyUnroutablePublishes(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	tos := make([]processor.Destination, 3000)
	for i := range tos {
		tos[i] = to("nobody")
	}
	for _, err := range publishAll(t, b, tos) {
		require.ErrorIs(t, err, processor.ErrUnroutable)
	}
}

// As when memory is low: publishing waits, and questions are answered.
func TestABrokerOutOfDiskBlocksPublishingOnly(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	node.SetDiskAlarm(t, true)
	require.Error(t, b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("2")))
	require.ErrorIs(t, b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("3")), processor.ErrBlocked)
	n, err := b.Ready(within(t), queue)
	require.NoError(t, err, "questions are answered")
	require.Equal(t, 1, n)
	node.SetDiskAlarm(t, false)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("4")))
}

// The last refusal on a channel that had been replaced closed it, and was then taken for a
// lost answer.
func TestARefusalIsOneWhileItsChannelIsReplaced(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	queue := declareQueue(t, url, amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	require.NoError(t, open(t, url).Publisher().Publish(within(t), to(queue), text("first")))
	for range 10 {
		b := open(t, url) // whose first refusal replaces the channel
		for range 20 {
			err := b.Publisher().Publish(within(t), to(queue), text("more"))
			require.ErrorIs(t, err, processor.ErrRefused)
			require.NotErrorIs(t, err, processor.ErrIndeterminate)
		}
	}
}
