package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// retrying is a queue whose failed messages wait half a second more each time, at most 1.6 s.
func retrying(q broker.Queue) broker.Queue {
	q.Name, q.Type = "q", broker.Quorum
	q.DelayedRetry = &broker.DelayedRetry{Min: 500 * time.Millisecond, Max: 1600 * time.Millisecond}
	return q
}

// RabbitMQ 4.3.6 redelivered after 501, 1002, 1501, 1601 and 1602 ms.
func TestAFailedMessageWaitsLongerEachTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{retrying(broker.Queue{})})
		publish(t, b, "q", "m")
		s := subscribe(t, b, "q", 1)
		var waits []time.Duration
		for range 6 {
			m := receive(t, s)
			failed := time.Now()
			require.NoError(t, m.Nack(true))
			require.Equal(t, 0, ready(t, b, "q"))
			require.True(t, receive(t, s).Origin().Redelivered)
			waits = append(waits, time.Since(failed))
			require.NoError(t, s.Close(t.Context()))
			s = subscribe(t, b, "q", 1) // untouched: it comes at once
		}
		const ms = time.Millisecond
		require.Equal(t, []time.Duration{500 * ms, 1000 * ms, 1500 * ms, 1600 * ms, 1600 * ms, 1600 * ms}, waits)
		require.NoError(t, receive(t, s).Ack())
	})
}

func TestWhatWaitsForItsRetryHoldsUpNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{retrying(broker.Queue{})})
		publish(t, b, "q", "0", "1", "2", "3")
		s := subscribe(t, b, "q", 3)
		inHand := []processor.Message{receive(t, s), receive(t, s), receive(t, s)}
		<-s.Pause()
		require.NoError(t, inHand[2].Nack(true))
		require.NoError(t, inHand[0].Nack(true))
		require.NoError(t, release(inHand[1]))
		require.Equal(t, 2, ready(t, b, "q"))
		start := time.Now()
		other := subscribe(t, b, "q", 1)
		require.Equal(t, []string{"1", "3"}, drain(t, other, 2))
		require.Zero(t, time.Since(start))
		require.Equal(t, []string{"0", "2"}, drain(t, other, 2), "both became due in the same millisecond")
		require.Equal(t, 500*time.Millisecond, time.Since(start))
	})
}

func TestDelayedRetriesEndAtTheDeliveryLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{{Name: "dead"}, retrying(broker.Queue{DeliveryLimit: 3, DeadLetter: toQueue("dead")})})
		publish(t, b, "q", "m")
		s := subscribe(t, b, "q", 1)
		for attempt := range int64(4) {
			m := receive(t, s)
			count, _ := m.Headers().Int64("x-delivery-count")
			require.Equal(t, attempt, count)
			require.NoError(t, m.Nack(true))
		}
		require.Equal(t, 1, ready(t, b, "dead"), "the last failure does not wait")
	})
}

// On RabbitMQ 4.3.6 a waiting message does not expire before its wait is over, and counts
// toward the queue's length.
func TestLimitsOfAQueueWithDelayedRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{{Name: "dead"}, retrying(broker.Queue{
			MessageTTL: 200 * time.Millisecond, MaxLength: 1, Overflow: broker.RejectPublish, DeadLetter: toQueue("dead"),
		})})
		publish(t, b, "q", "m")
		require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(true))
		require.ErrorIs(t, try(t, b, "q", "refused"), processor.ErrRefused)
		start := time.Now()
		require.Equal(t, []string{"m"}, drain(t, subscribe(t, b, "dead", 1), 1))
		require.Equal(t, 500*time.Millisecond, time.Since(start))
		publish(t, b, "q", "there is room")
	})
}

func TestAQueueThatExpiresDropsWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var drops []memory.Drop
		b := open(t, []broker.Queue{retrying(broker.Queue{Expires: 100 * time.Millisecond})},
			memory.OnDrop(func(d memory.Drop) { drops = append(drops, d) }))
		publish(t, b, "q", "m")
		s := subscribe(t, b, "q", 1)
		require.NoError(t, receive(t, s).Nack(true))
		require.NoError(t, s.Close(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Len(t, drops, 1)
		_, err := b.Ready(t.Context(), "q")
		require.ErrorIs(t, err, broker.ErrNoQueue)
	})
}

func TestDelayedRetriesAreAMismatchWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{retrying(broker.Queue{})})
	for _, other := range []*broker.DelayedRetry{
		nil, {Min: time.Second, Max: 1600 * time.Millisecond}, {Min: 500 * time.Millisecond, Max: time.Hour},
	} {
		q := retrying(broker.Queue{})
		q.DelayedRetry = other
		require.ErrorIs(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{q}}), broker.ErrMismatch)
	}
}

// The retries would be a hot loop up to the delivery limit.
func TestVersionsThatIgnoreDelayedRetriesRefuseThem(t *testing.T) {
	t.Parallel()
	topology := broker.Topology{Queues: []broker.Queue{retrying(broker.Queue{})}}
	for _, version := range [][2]int{{3, 10}, {3, 13}, {4, 0}, {4, 2}} {
		err := open(t, nil, memory.Version(version[0], version[1])).Declare(t.Context(), topology)
		require.ErrorIs(t, err, broker.ErrTopology)
	}
	for _, version := range [][2]int{{4, 3}, {4, 10}, {5, 0}} {
		require.NoError(t, open(t, nil, memory.Version(version[0], version[1])).Declare(t.Context(), topology))
	}
}
