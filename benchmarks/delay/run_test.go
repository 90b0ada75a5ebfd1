package delay_test

import (
	"context"
	"log/slog"
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

// publishers is how many messages are published at once.
const publishers = 32

// run lets a message wait for each of delays, and returns how late each was. It fails if one is
// early, lost, or duplicated.
func run(tb testing.TB, r row, delays []time.Duration) []time.Duration {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 3*time.Minute)
	defer cancel()
	b, err := rabbitmq.Open(ctx, []string{rabbitmqtest.Shared(tb).URL()}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(tb, err)
	defer func() { require.NoError(tb, b.Close(context.WithoutCancel(ctx))) }()

	queue := "work " + tb.Name() + " " + strconv.FormatInt(time.Now().UnixNano(), 36)
	delayer, err := r.strategy(b)(queue, r.known(delays))
	require.NoError(tb, err)
	work := broker.Topology{Queues: []broker.Queue{{Name: queue}}}
	require.NoError(tb, b.Declare(ctx, work.Merge(delayer.Topology())))

	due := make([]time.Time, len(delays))
	var publishing sync.WaitGroup
	next := make(chan int)
	for range publishers {
		publishing.Go(func() {
			for i := range next {
				due[i] = time.Now().Add(delays[i])
				err := delayer.Delay(ctx, b.Publisher(), processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}, delays[i])
				if err != nil {
					tb.Errorf("message %d: %v", i, err)
				}
			}
		})
	}
	received := receive(ctx, tb, b.Source(queue), len(delays))
	for i := range delays {
		next <- i
	}
	close(next)
	publishing.Wait()
	late := make([]time.Duration, len(delays))
	for i, at := range <-received {
		late[i] = at.Sub(due[i])
		require.Greater(tb, late[i], -time.Millisecond, "message %d is early", i) // RabbitMQ counts whole ones
	}
	return late
}

// known are the delays passed to the strategy.
func (r row) known(delays []time.Duration) []time.Duration {
	if r.stepped {
		return delays
	}
	return nil
}

// receive notes when each of n messages is received, until all are there.
func receive(ctx context.Context, tb testing.TB, source broker.Source, n int) <-chan []time.Time {
	tb.Helper()
	sub, err := source.Subscribe(ctx, broker.SubscribeOptions{Prefetch: 200})
	require.NoError(tb, err)
	done := make(chan []time.Time, 1)
	go func() {
		defer func() { _ = sub.Close(ctx) }()
		at := make([]time.Time, n)
		for range n {
			msg, err := sub.Receive(ctx)
			if err != nil {
				tb.Errorf("lost: %v", err)
				break
			}
			i, err := strconv.Atoi(msg.Properties().ID)
			if err != nil || !at[i].IsZero() {
				tb.Errorf("message %q came twice: %v", msg.Properties().ID, err)
				break
			}
			at[i] = time.Now()
			if err := msg.Ack(); err != nil {
				tb.Errorf("ack: %v", err)
			}
		}
		done <- at
	}()
	return done
}
