package rabbitmq_test

import (
	"fmt"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The error names both sides, so that an operator can decide which is right.
func TestAQueueThatSomebodyElseMakesAnewWithOtherArgumentsEndsTheSubscription(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	l := newLink(t, url)
	b := open(t, url, l.option())
	q := broker.Queue{Name: name(t), MaxLength: 111}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
	bystander := declareQueue(t, url, nil)
	other := subscribe(t, b, bystander, 1)
	require.NoError(t, b.Publisher().Publish(within(t), to(bystander), text("in hand")))
	inHand := receive(t, other)
	sub := subscribe(t, b, q.Name, 5)
	channel := l.consumes.Load()

	// Quickly, before the subscription can declare it again.
	ch := raw(t, url)
	_, err := ch.QueueDelete(q.Name, false, false, true)
	require.NoError(t, err)
	_, err = ch.QueueDeclare(q.Name, true, false, false, true, amqp.Table{"x-max-length": int32(222)})
	require.NoError(t, err)

	_, err = sub.Receive(within(t))
	require.ErrorIs(t, err, broker.ErrMismatch)
	for _, says := range []string{q.Name, "111", "222", "cancelled"} {
		require.ErrorContains(t, err, says)
	}
	require.NoError(t, inHand.Ack(), "another queue's channel is not touched")
	require.Equal(t, channel, l.consumes.Load())
	ready(t, b, bystander, 0)
}

// A removed binding is declared again with the next channel, and not before: the broker reports no
// such removal.
func TestABindingThatWasTakenAwayComesBackWithTheNextChannel(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	l := newLink(t, url)
	b := open(t, url, l.option())
	q := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Queues:   []broker.Queue{{Name: q}},
		Bindings: []broker.Binding{{Exchange: "amq.topic", Queue: q, RoutingKey: q}},
	}))
	sub := subscribe(t, b, q, 1)
	require.NoError(t, raw(t, url).QueueUnbind(q, q, "amq.topic", nil))
	outside := open(t, url).Publisher()
	place := processor.Destination{Exchange: "amq.topic", RoutingKey: q}
	require.ErrorIs(t, outside.Publish(within(t), place, text("lost?")), processor.ErrUnroutable)
	require.Equal(t, 1, l.consuming((*pair).cancel))
	require.Eventually(t, func() bool { return outside.Publish(within(t), place, text("found")) == nil }, patience, 5*time.Millisecond)
	require.Equal(t, "found", receive(t, sub).Properties().ID)
}

// One subscription loses channel after channel. The other one shares its connection.
func TestTheTroubleOfOneQueueIsNotTheOthers(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	l := newLink(t, node.URL())
	w := newWard(t, node.URL(), "classic", l.option())
	troubled := declareQueue(t, node.URL(), amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, w.broker.Publisher().Publish(within(t), to(troubled), text("never settled")))
	w.fill(t, 200)
	w.consume(t)
	require.Eventually(t, func() bool { return l.consumes.Load() == 1 }, patience, time.Millisecond)
	sub := subscribe(t, w.broker, troubled, 1) // the last one, so that it is what the link cancels
	for round := range 3 {
		require.Equal(t, "never settled", receive(t, sub).Properties().ID)
		require.Equal(t, 1, l.consuming((*pair).cancel))
		w.fill(t, 50)
		require.Eventually(t, func() bool { return l.consumes.Load() == int64(3+round) }, patience, time.Millisecond)
	}
	require.Zero(t, w.end(t), "nothing comes again")
	require.Equal(t, 3, w.losses(), "one channel for all of them")
	require.Zero(t, w.log.count("connection lost"))
}

// The prefetch belongs to a channel: without it the next channel would receive all messages at
// once.
func TestThePrefetchIsThereOnEachChannel(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	for name, harm := range map[string]func(*pair){"connection": (*pair).cut, "channel": (*pair).cancel} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLink(t, node.URL())
			w := newWard(t, node.URL(), "quorum", l.option())
			w.fill(t, 100)
			sub := subscribe(t, w.broker, w.queue, 7)
			for i := range 3 {
				var inHand []processor.Message
				for range 7 {
					inHand = append(inHand, receive(t, sub))
				}
				ready(t, w.broker, w.queue, 93-i)
				require.Contains(t, node.Eval(t, `[{Q, N} || [{queue_name, {_, _, _, Q}}, _, _, _, {prefetch_count, N} | _] <- rabbit_amqqueue:consumers_all(<<"/">>)]`),
					fmt.Sprintf(`{<<%q>>,7}`, w.queue))
				require.NoError(t, inHand[0].Ack())
				receive(t, sub)
				ready(t, w.broker, w.queue, 92-i)
				require.Equal(t, 1, l.consuming(harm))
				require.Eventually(t, func() bool { return l.consumes.Load() == int64(i+2) }, patience, time.Millisecond)
			}
		})
	}
}
