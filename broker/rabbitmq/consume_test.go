package rabbitmq_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// Delivery tags start at 1 again on each channel: acking the old delivery A, tag 1, must
// not remove B, the new tag 1.
func TestASettlementAfterReconnectingNeverReachesAnotherMessage(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	pub := b.Publisher()
	require.NoError(t, pub.Publish(within(t), to(queue), text("A")))
	sub := subscribe(t, b, queue, 1)
	a := receive(t, sub)
	require.Equal(t, "A", a.Properties().ID)
	loseConnections(t, node, b)

	again := receive(t, sub)
	require.Equal(t, "A", again.Properties().ID)
	require.True(t, again.Origin().Redelivered)
	require.NoError(t, again.Ack())
	require.NoError(t, pub.Publish(within(t), to(queue), text("B")))
	loseConnections(t, node, b)
	second := receive(t, sub) // tag 1 of the third channel
	require.Equal(t, "B", second.Properties().ID)

	require.ErrorIs(t, a.Ack(), processor.ErrStale)
	require.ErrorIs(t, a.Ack(), processor.ErrSettled)
	closeSubscription(t, sub)
	ready(t, b, queue, 1) // B is still there
}

func closeSubscription(t *testing.T, sub broker.Subscription) {
	t.Helper()
	require.NoError(t, sub.Close(within(t)))
}

// RabbitMQ cancels the consumer and leaves the channel open; the client then delivers empty
// messages. Neither may look like a quiet queue.
func TestAQueueDeletedUnderItsConsumerEndsTheSubscription(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	sub := subscribe(t, b, queue, 10)
	_, err := raw(t, url).QueueDelete(queue, false, false, false)
	require.NoError(t, err)
	_, err = sub.Receive(within(t))
	require.ErrorIs(t, err, broker.ErrNoQueue)
	require.ErrorContains(t, err, queue)
}

func TestAQueueOfTheTopologyIsDeclaredAgain(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	sub := subscribe(t, b, queue, 10)
	ch := raw(t, url)
	for i := range 3 {
		_, err := ch.QueueDelete(queue, false, false, false)
		require.NoError(t, err)
		id := fmt.Sprint(i)
		require.Eventually(t, func() bool { return b.Publisher().Publish(within(t), to(queue), text(id)) == nil }, patience, 10*time.Millisecond)
		msg := receive(t, sub)
		require.Equal(t, id, msg.Properties().ID, "and no phantom in between")
		require.NoError(t, msg.Ack())
	}
}

func TestAMissingQueueIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	_, err := b.Source("no-such-queue").Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, broker.ErrNoQueue)
	require.ErrorContains(t, err, `"no-such-queue"`)
	_, err = b.Ready(within(t), "no-such-queue")
	require.ErrorIs(t, err, broker.ErrNoQueue)
}

// The error contains the difference, so that an operator can decide which side is right.
func TestAQueueWithOtherArgumentsIsNamedWithBoth(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, amqp.Table{"x-message-ttl": int32(100)})
	err := b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: queue, MessageTTL: 200 * time.Millisecond}}})
	require.ErrorIs(t, err, broker.ErrMismatch)
	require.ErrorContains(t, err, queue)
	require.ErrorContains(t, err, "100")
	require.ErrorContains(t, err, "200")
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: queue, MessageTTL: 100 * time.Millisecond}}}),
		"the width of an integer does not matter, nor does the failure before")
}

func TestPrefetchIsChecked(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	for _, n := range []int{-1, 0, 65536} {
		_, err := b.Source("q").Subscribe(within(t), broker.SubscribeOptions{Prefetch: n})
		require.ErrorContains(t, err, "prefetch")
	}
}

func TestClosingTheBrokerEndsReceiveAndGivesBack(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, other := open(t, url), open(t, url)
	queue := declareQueue(t, url, nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	sub := subscribe(t, b, queue, 1)
	msg := receive(t, sub)
	ended := make(chan error, 1)
	go func() { _, err := sub.Receive(context.Background()); ended <- err }()
	require.NoError(t, b.Close(within(t)))
	require.NoError(t, b.Close(within(t)))
	require.ErrorIs(t, <-ended, io.EOF)
	require.ErrorIs(t, msg.Ack(), processor.ErrStale)
	ready(t, other, queue, 1)
	_, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, processor.ErrClosed)
	require.ErrorIs(t, b.Declare(within(t), broker.Topology{}), processor.ErrClosed)
}

func TestStressSubscribeAndClose(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	const n = 20
	for i := range n {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(fmt.Sprint(i))))
	}
	for range 50 {
		sub, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 5})
		require.NoError(t, err)
		receive(t, sub)
		require.NoError(t, sub.Close(within(t)))
		require.NoError(t, sub.Close(within(t)))
	}
	ready(t, b, queue, n)
}

func TestAnExclusiveQueueIsConsumedAndComesBack(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue, other := name(t), declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: queue, Kind: broker.Fanout}},
		Queues:    []broker.Queue{{Name: queue, Exclusive: true, Transient: true}},
		Bindings:  []broker.Binding{{Exchange: queue, Queue: queue}},
	}))
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("the publisher declares its part")))
	sub := subscribe(t, b, queue, 1)
	for i := range 2 {
		id := fmt.Sprint(i)
		require.Eventually(t, func() bool {
			return b.Publisher().Publish(within(t), processor.Destination{Exchange: queue}, text(id)) == nil
		}, patience, 10*time.Millisecond)
		require.NoError(t, receive(t, sub).Ack())
		loseConnections(t, node, b)
	}
}

func TestADeadEndIsReportedWhenItIsDeclared(t *testing.T) {
	t.Parallel()
	log := &records{}
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url, rabbitmq.Logger(slog.New(log)))
	q, there := name(t), declareQueue(t, url, nil)
	dead := func(suffix string, d broker.DeadLetter) broker.Queue {
		return broker.Queue{Name: q + suffix, DeadLetter: &d}
	}
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: q, Kind: broker.Direct}},
		Queues: []broker.Queue{
			dead("1", broker.DeadLetter{Exchange: q}), dead("2", broker.DeadLetter{Exchange: "amq.direct"}),
			dead("3", broker.DeadLetter{RoutingKey: q + "1"}), dead("4", broker.DeadLetter{RoutingKey: there}),
			dead("5", broker.DeadLetter{}),
		},
	}))
	require.Zero(t, log.count("dead-letter target does not exist"))
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{
		dead("6", broker.DeadLetter{Exchange: q + "-misspelt"}), dead("7", broker.DeadLetter{RoutingKey: q + "-misspelt"}),
	}}))
	require.Equal(t, 2, log.count("dead-letter target does not exist"))
}

func TestAQueueDeclaredTwiceInOneProcessIsNamedWithBoth(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	q := broker.Queue{Name: name(t), MessageTTL: 100 * time.Millisecond}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
	q.MessageTTL = 200 * time.Millisecond
	err := b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}})
	require.ErrorIs(t, err, broker.ErrMismatch)
	for _, says := range []string{q.Name, "100", "200"} {
		require.ErrorContains(t, err, says)
	}
}
