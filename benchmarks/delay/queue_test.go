package delay_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// BenchmarkQueue is BenchmarkDelay for the delays of the work queue itself: each message fails
// once, and waits for as long as its queue says. RabbitMQ does it from 4.3 on.
func BenchmarkQueue(b *testing.B) {
	b.Run("delayed retry/quorum", func(b *testing.B) {
		for b.Loop() {
			report(b, runQueues(b, row{stepped: true}.mixed(1000, longest)))
		}
	})
}

func TestQueue(t *testing.T) {
	t.Parallel()
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		runQueues(t, row{stepped: true}.mixed(100, 2*time.Second))
	}
}

// runQueues lets a message wait for each of delays, each in the queue of its delay, and returns how
// late each was, counted from before the reject.
func runQueues(tb testing.TB, delays []time.Duration) []time.Duration {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 3*time.Minute)
	defer cancel()
	b, err := rabbitmq.Open(ctx, []string{rabbitmqtest.Shared(tb).URL()}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(tb, err)
	defer func() { require.NoError(tb, b.Close(context.WithoutCancel(ctx))) }()

	count := map[time.Duration]int{}
	for _, d := range delays {
		count[d]++
	}
	queue := func(d time.Duration) string { return fmt.Sprintf("work %s %v", tb.Name(), d) }
	var topology broker.Topology
	for d := range count {
		topology.Queues = append(topology.Queues, broker.Queue{
			Name: queue(d), Type: broker.Quorum, DelayedRetry: &broker.DelayedRetry{Min: d, Max: d},
		})
	}
	require.NoError(tb, b.Declare(ctx, topology))
	var late []time.Duration
	var mu sync.Mutex
	var running sync.WaitGroup
	for d, n := range count {
		sub, err := b.Source(queue(d)).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 200})
		require.NoError(tb, err)
		running.Go(func() {
			defer func() { _ = sub.Close(ctx) }()
			all := second(ctx, tb, sub, d, n)
			mu.Lock()
			defer mu.Unlock()
			late = append(late, all...)
		})
	}
	next := make(chan int)
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for i := range next {
				err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: queue(delays[i])},
					processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}})
				if err != nil {
					tb.Errorf("message %d: %v", i, err)
				}
			}
		})
	}
	for i := range delays {
		next <- i
	}
	close(next)
	publishing.Wait()
	running.Wait()
	require.Len(tb, late, len(delays))
	require.Greater(tb, slices.Min(late), -2*time.Millisecond, "one is early")
	return late
}

// second rejects each of n messages once, and acks it when it is redelivered.
func second(ctx context.Context, tb testing.TB, sub broker.Subscription, d time.Duration, n int) []time.Duration {
	tb.Helper()
	due, late := map[string]time.Time{}, []time.Duration(nil)
	for len(late) < n {
		msg, err := sub.Receive(ctx)
		if err != nil {
			tb.Errorf("lost: %v", err)
			return nil
		}
		at, again := due[msg.Properties().ID]
		if again {
			late = append(late, time.Since(at))
			err = msg.Ack()
		} else {
			due[msg.Properties().ID] = time.Now().Add(d)
			err = msg.Nack(true)
		}
		if err != nil {
			tb.Errorf("settle: %v", err)
		}
	}
	return late
}
