package watermill_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
)

// consumed are the cases: in all 50,000 messages for each contender; with ten milliseconds
// for each, which take watermill-amqp ten seconds a thousand, 2,000.
var consumed = []struct {
	name        string
	latency     time.Duration
	turns, turn int
}{
	{"latency=0", 0, 25, 2000},
	{"latency=10ms", 10 * time.Millisecond, 5, 400},
}

// BenchmarkConsume reports the rate of each contender, and its ratio to that of watermill-amqp: the
// median over the turns.
func BenchmarkConsume(b *testing.B) {
	for _, row := range consumed {
		b.Run(row.name, func(b *testing.B) {
			for b.Loop() {
				duel(b, row.turns, row.turn, func(tb testing.TB, c *corner) time.Duration { //nolint:thelper // it is what is measured
					return c.consume(tb, row.turn, row.latency)
				})
			}
		})
	}
}

// batch is how many messages one call of Publish has.
const batch = 100

// BenchmarkPublish publishes 20,000 messages, a hundred with each call.
func BenchmarkPublish(b *testing.B) {
	for b.Loop() {
		duel(b, 10, 2000, func(tb testing.TB, c *corner) time.Duration { //nolint:thelper // it is what is measured
			return c.publish(tb, 2000)
		})
	}
}

// Each really does the measured work, down to the last message.
func TestWatermill(t *testing.T) {
	for _, c := range corners(t) {
		c.publish(t, 300)
		c.consume(t, 300, time.Millisecond)
		c.consume(t, 300, 0)
	}
}

// corner is a contender in a duel, with a queue of its own.
type corner struct {
	contender

	topic      string
	publisher  message.Publisher
	subscriber message.Subscriber
	filled     int
}

func corners(tb testing.TB) []*corner {
	tb.Helper()
	all := make([]*corner, len(contenders))
	for i, c := range contenders {
		all[i] = &corner{contender: c, topic: watermill.NewShortUUID()}
		all[i].publisher, all[i].subscriber = c.make(tb)
		require.NoError(tb, all[i].subscriber.(message.SubscribeInitializer).SubscribeInitialize(all[i].topic)) //nolint:forcetypeassert // both are
	}
	return all
}

// duel lets the contenders take turns, each turn in another order.
func duel(b *testing.B, turns, messages int, do func(testing.TB, *corner) time.Duration) {
	b.Helper()
	all := corners(b)
	took := make([][]time.Duration, len(all))
	for turn := range turns {
		for i := range all {
			i = (i + turn) % len(all)
			took[i] = append(took[i], do(b, all[i]))
		}
	}
	for i, c := range all {
		ratios := make([]float64, turns)
		for turn := range ratios {
			ratios[turn] = took[0][turn].Seconds() / took[i][turn].Seconds()
		}
		b.ReportMetric(float64(messages)/median(took[i]).Seconds(), c.name+"-msg/s")
		if i > 0 {
			b.ReportMetric(median(ratios), c.name+"-ratio")
		}
	}
	b.ReportMetric(0, "ns/op") // the sum of all contenders
}

func median[T int64 | float64 | time.Duration](values []T) T {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[len(sorted)/2]
}

// publish publishes n messages, and waits until all of them are confirmed.
func (c *corner) publish(tb testing.TB, n int) time.Duration {
	tb.Helper()
	messages := make([]*message.Message, batch)
	var took time.Duration
	for range n / batch {
		for i := range messages {
			messages[i] = message.NewMessage(watermill.NewUUID(), body)
		}
		begun := time.Now()
		require.NoError(tb, c.publisher.Publish(c.topic, messages...))
		took += time.Since(begun)
	}
	c.filled += n
	return took
}

var body = make([]byte, 256)

// consume takes n messages, and waits until the last was acked. The queue has just these.
func (c *corner) consume(tb testing.TB, n int, latency time.Duration) time.Duration {
	tb.Helper()
	if rest := n - c.filled; rest > 0 {
		c.publish(tb, rest)
	}
	c.filled -= n
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	begun := time.Now()
	messages, err := c.subscriber.Subscribe(ctx, c.topic)
	require.NoError(tb, err)
	var handlers sync.WaitGroup
	for range n {
		msg, ok := <-messages
		require.True(tb, ok)
		handlers.Go(func() {
			time.Sleep(latency)
			msg.Ack()
			<-msg.Context().Done() // it was sent
		})
	}
	handlers.Wait()
	took := time.Since(begun)
	cancel()
	for msg := range messages { // until it is closed
		msg.Nack()
		tb.Error("one too many")
	}
	return took
}
