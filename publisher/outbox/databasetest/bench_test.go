package databasetest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

// turn is how many messages a turn has, and writers is how many transactions or publishes go on at once.
const turn, writers = 1000, 16

// BenchmarkOutbox sends messages through the outbox and straight to RabbitMQ, in turns. Both wait until the
// broker has confirmed all of them; through the outbox each message has a transaction of its own. The ratio is the median of pairs of
// turns: 1 is as fast as straight, 0.1 a tenth as fast. relay-ratio is without the transactions that write.
func BenchmarkOutbox(b *testing.B) {
	for name, k := range kinds {
		b.Run(name, func(b *testing.B) {
			d := newDatabase(b, k)
			bunny, _, to := connect(b)
			box := must.Have(outbox.New(d.dialect))
			var ratios, relayRatios, rates []float64
			for b.Loop() {
				for range 11 {
					straight := timed(func() { straightOn(b, bunny, to) })
					write := timed(func() { d.writeOn(b, box, to) })
					relay := timed(func() { d.relayOn(b, bunny) })
					ratios = append(ratios, straight/(write+relay))
					relayRatios = append(relayRatios, straight/relay)
					rates = append(rates, turn/(write+relay))
				}
			}
			b.ReportMetric(middle(ratios), "ratio")
			b.ReportMetric(middle(relayRatios), "relay-ratio")
			b.ReportMetric(middle(rates), "msgs/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func timed(f func()) float64 {
	begin := time.Now()
	f()
	return time.Since(begin).Seconds()
}

func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

var letter = processor.Envelope{Body: []byte(strings.Repeat("l", 256))}

// share calls f for each message, from the writers.
func share(tb testing.TB, f func() error) {
	tb.Helper()
	var all sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		all.Go(func() {
			for i := w; i < turn && errs[w] == nil; i += writers {
				errs[w] = f()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(tb, err)
	}
}

func straightOn(tb testing.TB, b *rabbitmq.Broker, to processor.Destination) {
	tb.Helper()
	share(tb, func() error { return b.Publisher().Publish(tb.Context(), to, letter) })
}

func (d *database) writeOn(tb testing.TB, box processor.Publisher, to processor.Destination) {
	tb.Helper()
	share(tb, func() error {
		tx, err := d.BeginTx(tb.Context(), nil)
		if err != nil {
			return err
		}
		if err := box.Publish(outbox.In(tb.Context(), tx), to, letter); err != nil {
			return fmt.Errorf("%w, %w", err, tx.Rollback())
		}
		return tx.Commit()
	})
}

func (d *database) relayOn(tb testing.TB, b *rabbitmq.Broker) {
	tb.Helper()
	relay := must.Have(outbox.NewRelay(d.DB, d.dialect, b.Publisher()))
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan error, 1)
	go func() { ended <- relay.Run(ctx) }()
	require.Eventually(tb, func() bool {
		s, err := relay.Stats(tb.Context())
		return err == nil && s.Depth == 0
	}, time.Minute, time.Millisecond)
	cancel()
	require.NoError(tb, <-ended)
}
