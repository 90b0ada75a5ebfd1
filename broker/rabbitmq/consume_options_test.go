package rabbitmq_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// asking subscribes with consumer options.
func asking(tb testing.TB, b *rabbitmq.Broker, queue string, prefetch int, o broker.ConsumerOptions) broker.Subscription {
	tb.Helper()
	return subscribeWith(tb, b, queue, broker.SubscribeOptions{Prefetch: prefetch, Consumer: o})
}

func subscribeWith(tb testing.TB, b *rabbitmq.Broker, queue string, o broker.SubscribeOptions) broker.Subscription {
	tb.Helper()
	sub, err := b.Source(queue).Subscribe(within(tb), o)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = sub.Close(ctx)
	})
	return sub
}

func TestAConsumerOfHigherPriorityGoesFirst(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, queue := open(t, url), declareQueue(t, url, nil)
	low := asking(t, b, queue, 10, broker.ConsumerOptions{Priority: -1})
	high := asking(t, b, queue, 2, broker.ConsumerOptions{Priority: 7})
	publishNumbers(t, b, queue, 3)
	for i := range 2 {
		require.Equal(t, strconv.Itoa(i), receive(t, high).Properties().ID)
	}
	require.Equal(t, "2", receive(t, low).Properties().ID, "the other one has no room")
}

func TestAnExclusiveConsumerIsAlone(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, queue := open(t, node.URL()), declareQueue(t, node.URL(), nil)
	exclusive := broker.ConsumerOptions{Exclusive: true}
	sub := asking(t, b, queue, 10, exclusive)
	refused := func(o broker.ConsumerOptions) {
		t.Helper()
		_, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1, Consumer: o})
		require.ErrorIs(t, err, broker.ErrInUse)
	}
	refused(exclusive)
	refused(broker.ConsumerOptions{})
	for round := range 3 { // the broker may not have noticed yet that the last channel is gone
		loseConnections(t, node, b)
		publishNumbers(t, b, queue, 1)
		require.NoError(t, receive(t, sub).Ack(), round)
	}
	refused(broker.ConsumerOptions{})
	require.NoError(t, sub.Close(within(t)))
	require.NoError(t, asking(t, b, queue, 1, broker.ConsumerOptions{}).Close(within(t)))
}

func TestAConsumerHasItsTagAndArguments(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b, queue := open(t, node.URL()), declareQueue(t, node.URL(), nil)
	asking(t, b, queue, 1, broker.ConsumerOptions{Tag: "mail worker", Arguments: processor.Headers{"x-cancel-on-ha-failover": true}})
	require.Contains(t, node.Eval(t, `[{Q, T} || [{queue_name, {_, _, _, Q}}, _, {consumer_tag, T} | _] <- rabbit_amqqueue:consumers_all(<<"/">>)]`),
		fmt.Sprintf(`{<<%q>>,<<"mail worker">>}`, queue))
	for _, wrong := range []broker.ConsumerOptions{
		{Tag: fmt.Sprintf("%201d", 1)}, {Arguments: processor.Headers{"x-priority": 1}}, {Offset: 5}, {Offset: 5 * time.Second},
	} {
		_, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1, Consumer: wrong})
		require.Error(t, err)
	}
}

// numberedStream declares a stream with numbers from 0 on.
func numberedStream(t *testing.T, b *rabbitmq.Broker, n int) string {
	t.Helper()
	queue := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{
		{Name: queue, Arguments: processor.Headers{"x-queue-type": "stream"}},
	}}))
	publishNumbers(t, b, queue, n)
	return queue
}

// awaitFirst publishes until a message arrives. RabbitMQ 3.10 takes a moment to know which message
// is the next one.
func awaitFirst(t *testing.T, b *rabbitmq.Broker, queue string, sub broker.Subscription) {
	t.Helper()
	for {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(notANumber)))
		msg, err := sub.Receive(withinTime(t, 100*time.Millisecond))
		if err == nil {
			require.NoError(t, msg.Ack())
			return
		}
	}
}

const notANumber = "-"

// requireNumber takes the next message, which must have this number, and acks it.
func requireNumber(t *testing.T, sub broker.Subscription, n int) {
	t.Helper()
	msg := receive(t, sub)
	for msg.Properties().ID == notANumber {
		require.NoError(t, msg.Ack())
		msg = receive(t, sub)
	}
	require.Equal(t, strconv.Itoa(n), msg.Properties().ID)
	require.NoError(t, msg.Ack())
}

func TestAStreamIsReadFromWhereItIsAsked(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	queue := numberedStream(t, b, 10)
	_, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1})
	require.ErrorContains(t, err, "say where to begin")
	for _, from := range []struct {
		offset any
		first  int
	}{{broker.OffsetFirst, 0}, {int64(7), 7}, {time.Now().Add(-time.Hour), 0}} {
		sub := asking(t, b, queue, 10, broker.ConsumerOptions{Offset: from.offset})
		for n := from.first; n < 10; n++ {
			requireNumber(t, sub, n)
		}
		require.NoError(t, sub.Close(within(t)))
	}
	_, err = b.Source(declareNamed(t, b, broker.Queue{})).Subscribe(within(t),
		broker.SubscribeOptions{Prefetch: 1, Consumer: broker.ConsumerOptions{Offset: broker.OffsetFirst}})
	require.ErrorContains(t, err, "no stream")
}

func declareNamed(t *testing.T, b *rabbitmq.Broker, q broker.Queue) string {
	t.Helper()
	q.Name = name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
	return q.Name
}

// With the original offset it would begin again with the first message, or with the next one that
// is published, and miss those that came meanwhile.
func TestAStreamGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for name, offset := range map[string]any{"first": broker.OffsetFirst, "next": broker.OffsetNext} {
		t.Run(name, func(t *testing.T) {
			b := open(t, node.URL())
			queue := numberedStream(t, b, 0)
			sub := asking(t, b, queue, 10, broker.ConsumerOptions{Offset: offset})
			awaitFirst(t, b, queue, sub)
			publishNumbers(t, b, queue, 20)
			for n := range 5 {
				requireNumber(t, sub, n)
			}
			unsettled, next := receive(t, sub), receive(t, sub)
			require.NoError(t, next.Ack())
			loseConnections(t, node, b)
			require.Equal(t, "5", unsettled.Properties().ID)
			for n := 5; n < 15; n++ {
				requireNumber(t, sub, n)
			}
			<-sub.Pause()
			sub.Resume()
			for n := 15; n < 20; n++ {
				requireNumber(t, sub, n)
			}
		})
	}
}

// 2 was not settled when its channel was lost, and was skipped when the next one was lost as well.
func TestAStreamSkipsNothingWhenItsChannelIsLostAgain(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := numberedStream(t, b, 20)
	sub := asking(t, b, queue, 10, broker.ConsumerOptions{Offset: broker.OffsetFirst})
	var all []processor.Message
	for range 4 {
		all = append(all, receive(t, sub))
	}
	require.NoError(t, all[1].Ack())
	require.NoError(t, all[3].Ack())
	loseConnections(t, node, b)
	requireNumber(t, sub, 0)
	loseConnections(t, node, b)
	next := receive(t, sub)
	require.Contains(t, []string{"0", "1"}, next.Properties().ID)
	for id := next.Properties().ID; id != "19"; {
		msg := receive(t, sub)
		now, err := strconv.Atoi(msg.Properties().ID)
		require.NoError(t, err)
		before, err := strconv.Atoi(id)
		require.NoError(t, err)
		require.LessOrEqual(t, now, before+1, "some may come again, and none is skipped")
		require.NoError(t, msg.Ack())
		id = msg.Properties().ID
	}
}

// Messages delivered and not received were requeued, which a stream ignores, and "next" was then
// behind them. With Ordered the channel was left without a look at them.
func TestAPauseBeforeTheFirstMessageOfAStreamLosesNothing(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%t", ordered), func(t *testing.T) {
			t.Parallel()
			b := open(t, rabbitmqtest.Shared(t).URL())
			queue := numberedStream(t, b, 0)
			sub := subscribeWith(t, b, queue, broker.SubscribeOptions{
				Prefetch: 10, Ordered: ordered, Consumer: broker.ConsumerOptions{Offset: broker.OffsetNext},
			})
			publishNumbers(t, b, queue, 5)
			// The client holds them when one more has come and gone through another consumer.
			other := asking(t, b, queue, 10, broker.ConsumerOptions{Offset: int64(0)})
			for n := range 5 {
				requireNumber(t, other, n)
			}
			for range 3 {
				<-sub.Pause()
				sub.Resume()
			}
			// 3.10 may begin with a later one: it takes a moment to know which is next.
			first, err := strconv.Atoi(receive(t, sub).Properties().ID)
			require.NoError(t, err)
			for n := first + 1; n < 5; n++ {
				requireNumber(t, sub, n)
			}
		})
	}
}

func TestPausesThatFollowOneAnotherAreAllOver(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	sub := subscribe(t, b, declareQueue(t, rabbitmqtest.Shared(t).URL(), nil), 5)
	for range 20 {
		first := sub.Pause()
		sub.Resume()
		for _, back := range []<-chan struct{}{first, sub.Pause()} {
			select {
			case <-back:
			case <-within(t).Done():
				t.Fatal("a pause is not over")
			}
		}
		sub.Resume()
	}
}

func TestAPauseWhileTheConnectionIsAwayIsOverAtOnce(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	sub := subscribe(t, b, queue, 5)
	publishNumbers(t, b, queue, 1)
	msg := receive(t, sub)
	node.Stop(t)
	require.Eventually(t, func() bool { return msg.(*broker.Delivery).Lost() }, patience, time.Millisecond) //nolint:forcetypeassert // it is one
	select {
	case <-sub.Pause():
	case <-withinTime(t, 5*time.Second).Done():
		t.Fatal("the pause waits for the node")
	}
	node.Restart(t)
	sub.Resume()
	require.NoError(t, receive(t, sub).Ack())
}

// The pause's channel was never closed when the consuming channel was lost after Resume.
func TestAPauseWhoseChannelIsLostIsOver(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	sub, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 5, Ordered: true})
	require.NoError(t, err)
	publishNumbers(t, b, queue, 1)
	receive(t, sub) // and so the pause has something to wait for
	back := sub.Pause()
	sub.Resume()
	loseConnections(t, node, b)
	select {
	case <-back:
	case <-withinTime(t, 5*time.Second).Done():
		t.Fatal("the pause is not over")
	}
	require.NoError(t, receive(t, sub).Ack())
	require.NoError(t, sub.Close(within(t)))
}
