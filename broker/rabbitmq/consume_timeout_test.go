package rabbitmq_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// impatient is a broker whose node has a consumer timeout of half a second. Before RabbitMQ 4.3 it
// closes the channel with 406. From 4.3 on it cancels the consumer, of quorum queues only.
func impatient(t *testing.T) *rabbitmq.Broker {
	t.Helper()
	node := rabbitmqtest.Start(t)
	node.SetConsumerTimeout(t, 500*time.Millisecond)
	return open(t, node.URL())
}

// stir publishes to the queue once a second. A quorum queue of RabbitMQ 4.3.6 may forget the timer
// of its next consumer timeout (rabbit_fifo compares two times of the same millisecond), and sets
// it again with any next change of the queue.
func stir(t *testing.T, b *rabbitmq.Broker, queue string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var stirring sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		stirring.Wait()
	})
	stirring.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_ = b.Publisher().Publish(ctx, to(queue), text("stir"))
			case <-ctx.Done():
				return
			}
		}
	})
}

func TestAfterTheConsumerTimeoutTheMessageComesAgain(t *testing.T) {
	t.Parallel()
	b := impatient(t)
	q := broker.Queue{Name: name(t), Type: broker.Quorum}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
	require.NoError(t, b.Publisher().Publish(within(t), to(q.Name), text("slow")))
	sub := subscribe(t, b, q.Name, 1)
	stir(t, b, q.Name)
	first := receive(t, sub)
	again := receive(t, sub)
	require.Equal(t, "slow", again.Properties().ID)
	require.ErrorIs(t, first.Ack(), processor.ErrStale)
	require.NoError(t, again.Ack())
}

// On RabbitMQ 4.3 it was begun 14 times, and its delivery count was 1.
func TestAHandlerThatAlwaysTakesTooLongIsEndedByTheDeliveryLimit(t *testing.T) {
	t.Parallel()
	b := impatient(t)
	parked := broker.Queue{Name: name(t) + "_parked", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}
	work := broker.Queue{
		Name: name(t), Type: broker.Quorum, DeliveryLimit: 2,
		DeadLetter: &broker.DeadLetter{RoutingKey: parked.Name},
	}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{work, parked}}))
	for _, id := range []string{"slow", "quick"} {
		require.NoError(t, b.Publisher().Publish(within(t), to(work.Name), text(id)))
	}
	sub := subscribe(t, b, work.Name, 1)
	stir(t, b, work.Name)
	begun := 0
	for {
		msg := receive(t, sub)
		if msg.Properties().ID == "quick" {
			require.NoError(t, msg.Ack())
			break
		}
		begun++
	}
	require.Equal(t, 3, begun, "the limit, and the first delivery")
	msg := receive(t, subscribe(t, b, parked.Name, 1))
	require.Equal(t, "slow", msg.Properties().ID)
	require.NoError(t, msg.Ack())
}
