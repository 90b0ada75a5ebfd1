package rabbitmq_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// there reports whether the broker has a queue, on any connection.
func there(tb testing.TB, url, queue string) bool {
	tb.Helper()
	_, err := raw(tb, url).QueueDeclarePassive(queue, true, false, false, false, nil)
	var e *amqp.Error
	if err != nil {
		require.ErrorAs(tb, err, &e)
	}
	return err == nil || e.Code == amqp.ResourceLocked
}

func hasExchange(tb testing.TB, url, exchange string) bool {
	tb.Helper()
	return raw(tb, url).ExchangeDeclarePassive(exchange, "topic", true, false, false, false, nil) == nil
}

// The next subscription, on another queue, declared it again: bound, without a consumer, and for as
// long as the broker lives.
func TestAnAutoDeleteQueueDoesNotComeBackAfterItsLastSubscription(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for name, q := range map[string]broker.Queue{
		"durable":   {AutoDelete: true, Type: broker.Classic},
		"exclusive": {AutoDelete: true, Exclusive: true, Transient: true},
	} {
		t.Run(name, func(t *testing.T) {
			b, topology := open(t, node.URL()), fleeting(t, q)
			queue, exchange := topology.Queues[0].Name, topology.Exchanges[0].Name
			lasting := broker.Queue{Name: queue + "-other"}
			require.NoError(t, b.Declare(within(t), topology))
			require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{lasting}}))
			first, second := subscribe(t, b, queue, 1), subscribe(t, b, queue, 1)
			require.NoError(t, first.Close(within(t)))
			require.True(t, there(t, node.URL(), queue), "it has another subscription")
			require.NoError(t, second.Close(within(t)))
			require.Eventually(t, func() bool { return !there(t, node.URL(), queue) }, patience, time.Millisecond)

			sub := subscribe(t, b, lasting.Name, 1)
			require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("1")), processor.ErrUnroutable)
			loseConnections(t, node, b)
			_, err := raw(t, node.URL()).QueueDelete(lasting.Name, false, false, false)
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				return b.Publisher().Publish(within(t), to(lasting.Name), text("1")) == nil
			}, patience, time.Millisecond, "it is declared again")
			require.NoError(t, receive(t, sub).Ack())
			require.False(t, there(t, node.URL(), queue))
			require.False(t, hasExchange(t, node.URL(), exchange))

			require.NoError(t, b.Declare(within(t), topology), "and may be declared anew")
			subscribe(t, b, queue, 1)
			require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: exchange, RoutingKey: "a.b"}, text("1")))
		})
	}
}

// A queue that has lost its subscriber with the connection came back with each new one.
func TestAnAutoDeleteQueueThatNobodyConsumesIsNotDeclaredByANewConnection(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, topology := open(t, node.URL()), fleeting(t, broker.Queue{AutoDelete: true, Type: broker.Classic})
	queue := topology.Queues[0].Name
	require.NoError(t, b.Declare(within(t), topology))
	_, err := raw(t, node.URL()).QueueDelete(queue, false, false, false)
	require.NoError(t, err)
	loseConnections(t, node, b)
	other := declareQueue(t, node.URL(), nil)
	subscribe(t, b, other, 1)
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("1")))
	require.False(t, there(t, node.URL(), queue))
	sub := subscribe(t, b, queue, 1)
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: topology.Exchanges[0].Name, RoutingKey: "a.b"}, text("2")))
	require.NoError(t, receive(t, sub).Ack(), "its subscription declares it, with its exchange and bindings")
}

// A reply queue for each caller: what a Broker declares again must not grow for days.
func TestAThousandReplyQueuesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	var wire tap
	b, work := open(t, node.URL(), wire.option()), declareQueue(t, node.URL(), nil)
	for range 300 {
		reply := broker.Queue{Name: name(t), AutoDelete: true, Exclusive: true, Transient: true}
		require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{reply}}))
		sub := subscribe(t, b, reply.Name, 1)
		require.NoError(t, b.Publisher().Publish(within(t), to(reply.Name), text("reply")))
		require.NoError(t, receive(t, sub).Ack())
		require.NoError(t, sub.Close(within(t)))
	}
	declared := wire.count(queueDeclare)
	wire.cut()
	sub := subscribe(t, b, work, 1)
	require.Eventually(t, func() bool { return b.Publisher().Publish(within(t), to(work), text("1")) == nil }, patience, time.Millisecond)
	require.NoError(t, receive(t, sub).Ack())
	require.LessOrEqual(t, wire.count(queueDeclare)-declared, 20, "it was all of them")
	require.Equal(t, "1", node.Eval(t, "length(rabbit_amqqueue:list())"))
}

func TestWhatIsForgottenIsNotDeclaredAgain(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	x, kept, gone := broker.Exchange{Name: name(t), Kind: broker.Topic}, name(t), name(t)
	topology := broker.Topology{Exchanges: []broker.Exchange{x}, Queues: []broker.Queue{{Name: kept}, {Name: gone}}}
	for _, q := range topology.Queues {
		topology.Bindings = append(topology.Bindings, broker.Binding{Exchange: x.Name, Queue: q.Name, RoutingKey: "#"})
	}
	require.NoError(t, b.Declare(within(t), topology))
	b.Forget(broker.Topology{Queues: []broker.Queue{{Name: gone}}})
	require.True(t, there(t, node.URL(), gone), "the broker keeps it")

	sub := subscribe(t, b, gone, 1)
	for _, q := range []string{kept, gone} {
		_, err := raw(t, node.URL()).QueueDelete(q, false, false, false)
		require.NoError(t, err)
	}
	_, err := sub.Receive(within(t))
	require.ErrorIs(t, err, broker.ErrNoQueue)
	require.True(t, there(t, node.URL(), kept))
	require.False(t, there(t, node.URL(), gone))

	b.Forget(broker.Topology{Exchanges: []broker.Exchange{x}})
	require.NoError(t, raw(t, node.URL()).ExchangeDelete(x.Name, false, false))
	loseConnections(t, node, b)
	subscribe(t, b, kept, 1)
	require.False(t, hasExchange(t, node.URL(), x.Name))
}
