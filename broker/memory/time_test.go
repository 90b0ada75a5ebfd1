package memory_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// A day of retries, with a queue for each delay, and each exact.
func TestADayOfRetriesIsExactToTheNanosecond(t *testing.T) {
	t.Parallel()
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		steps := []time.Duration{30 * time.Second, 3 * time.Minute, 30 * time.Minute, 3 * time.Hour, 24 * time.Hour}
		queues := []broker.Queue{{Name: "work"}}
		for _, step := range steps {
			queues = append(queues, broker.Queue{Name: step.String(), MessageTTL: step, DeadLetter: toQueue("work")})
		}
		b := open(t, queues)
		s := subscribe(t, b, "work", 1)
		publish(t, b, "work", "mail")
		for _, step := range steps {
			require.NoError(t, receive(t, s).Ack())
			publish(t, b, step.String(), "mail")
			start := time.Now()
			m := receive(t, s)
			require.Equal(t, step, time.Since(start))
			require.NoError(t, m.Nack(true))
		}
		drain(t, s, 1)
	})
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestExpirationWaitsForTheHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{
			{Name: "dead"},
			{Name: "q", MessageTTL: time.Hour, DeadLetter: toQueue("dead")},
		})
		start := time.Now()
		for _, d := range []time.Duration{3 * time.Second, time.Second, 5 * time.Second, 2 * time.Hour, time.Minute} {
			require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "q"},
				processor.Envelope{Body: []byte(d.String()), Properties: processor.Properties{Expiration: d}}))
		}
		s := subscribe(t, b, "dead", 1)
		var got []string
		for range 5 {
			m := receive(t, s)
			got = append(got, fmt.Sprintf("%s at %v", m.Body(), time.Since(start)))
			require.NoError(t, m.Ack())
		}
		require.Equal(t, []string{"3s at 3s", "1s at 3s", "5s at 5s", "2h0m0s at 1h0m0s", "1m0s at 1h0m0s"}, got)
	})
}

// A message that is requeued after its time expires at once, but not before those in front of
// it.
func TestExpiryAfterARequeue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{
			{Name: "dead"},
			{Name: "q", MessageTTL: time.Minute, DeadLetter: toQueue("dead")},
		})
		publish(t, b, "q", "1", "2")
		s := subscribe(t, b, "q", 2)
		first, second := receive(t, s), receive(t, s)
		<-s.Pause()
		time.Sleep(30 * time.Second) // the bubble's clock: no real time
		require.NoError(t, second.Nack(true))
		require.Equal(t, 1, ready(t, b, "q"))
		time.Sleep(30 * time.Second)
		require.Equal(t, 0, ready(t, b, "q"))
		require.Equal(t, 1, ready(t, b, "dead"))
		require.NoError(t, first.Nack(true))
		require.Equal(t, 2, ready(t, b, "dead"))
	})
}

func TestTTLOfZeroReachesAConsumerWhoWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{
			{Name: "dead"},
			{Name: "q", DeadLetter: toQueue("dead"), Arguments: processor.Headers{"x-message-ttl": 0}},
		})
		publish(t, b, "q", "nobody there")
		require.Equal(t, 0, ready(t, b, "q"))
		require.Equal(t, 1, ready(t, b, "dead"))
		s := subscribe(t, b, "q", 1)
		publish(t, b, "q", "taken")
		require.Equal(t, []string{"taken"}, drain(t, s, 1))
	})
}

func TestAnUnusedQueueExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		declaration := broker.Queue{Name: "q", Expires: time.Minute}
		var drops []string
		b := open(t, []broker.Queue{declaration}, memory.OnDrop(func(d memory.Drop) { drops = append(drops, string(d.Envelope.Body)) }))
		require.NoError(t, b.Declare(t.Context(), broker.Topology{
			Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Fanout}},
			Bindings:  []broker.Binding{{Exchange: "x", Queue: "q"}},
		}))
		time.Sleep(59 * time.Second)
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{declaration}}))
		time.Sleep(59 * time.Second) // declared again, so the time started anew
		s := subscribe(t, b, "q", 1)
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{declaration}}))
		time.Sleep(time.Hour) // in use
		publish(t, b, "q", "m", "n")
		m := receive(t, s)
		<-s.Pause()
		time.Sleep(time.Minute)
		synctest.Wait()

		_, err := b.Source("q").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.ErrorIs(t, err, broker.ErrNoQueue)
		_, err = b.Ready(t.Context(), "q")
		require.ErrorIs(t, err, broker.ErrNoQueue)
		require.ErrorIs(t, b.Publisher().Publish(t.Context(), processor.Destination{Exchange: "x"}, processor.Envelope{}), processor.ErrUnroutable)
		require.Equal(t, []string{"n"}, drops)
		require.NoError(t, m.Nack(true)) // its queue is gone
		require.Equal(t, []string{"n", "m"}, drops)
		require.NoError(t, s.Close(t.Context()))
	})
}

// It had waited for a message when it was paused, and stood in the line of the queue that is gone.
func TestASubscriptionResumesOnAQueueThatExpiredAndWasDeclaredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queues := []broker.Queue{{Name: "q", Expires: time.Second}}
		b := open(t, queues)
		s := subscribe(t, b, "q", 1)
		<-s.Pause()
		time.Sleep(2 * time.Second)
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: queues}))
		s.Resume()
		publish(t, b, "q", "m", "n")
		require.Equal(t, []string{"m", "n"}, drain(t, s, 2))
	})
}

// A broker that is closed long before its timers are due leaves none behind: with one left the
// bubble would not end.
func TestCloseStopsTimers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := open(t, []broker.Queue{{Name: "q", MessageTTL: 24 * time.Hour, Expires: 48 * time.Hour}})
		publish(t, b, "q", "m")
		s := subscribe(t, b, "q", 1)
		m := receive(t, s)
		<-s.Pause()
		publish(t, b, "q", "ready")
		require.NoError(t, b.Close(t.Context()))
		require.ErrorIs(t, m.Nack(true), processor.ErrStale)
		require.NoError(t, s.Close(t.Context()))
		require.NoError(t, b.Close(t.Context()))
		require.Zero(t, time.Since(start))
	})
}

// The context ends and a message comes before the waiting receive runs again: it
// was woken for the context, and finds that it has got the message.
func TestAMessageForACancelledReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{{Name: "q"}})
		s := subscribe(t, b, "q", 1)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			received := make(chan processor.Message, 1)
			go func() {
				m, _ := s.Receive(ctx)
				received <- m
			}()
			synctest.Wait()
			cancel()
			publish(t, b, "q", "m")
			m := <-received
			if m == nil { // it had run in between
				m = receive(t, s)
			}
			require.NoError(t, m.Ack())
		}
	})
}

func TestReceiveWaitsWithoutHoldingUpTheClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{{Name: "q"}})
		s := subscribe(t, b, "q", 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		_, err := s.Receive(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Hour, time.Since(start))
	})
}
