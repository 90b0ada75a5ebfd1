package delay_test

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The node that leads every level dies while messages wait on all of them, and comes back.
func TestNothingThatWaitsIsLostWithItsNode(t *testing.T) {
	t.Parallel()
	const messages = 1000
	all := make([]time.Duration, 8)
	for i := range all {
		all[i] = time.Duration(i+1) * 777 * time.Millisecond
	}
	for name, strategy := range map[string]delay.Strategy{
		"ladder": delay.Ladder(delay.Unit(10*time.Millisecond), delay.Longest(10*time.Second)),
		"steps":  delay.Steps(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
			defer cancel()
			b, err := rabbitmq.Open(ctx, []string{node.URL()}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
			require.NoError(t, err)
			defer func() { require.NoError(t, b.Close(context.WithoutCancel(ctx))) }()

			d, err := strategy("work", all)
			require.NoError(t, err)
			work := broker.Topology{Queues: []broker.Queue{{Name: "work", Type: broker.Quorum}}}
			require.NoError(t, b.Declare(ctx, work.Merge(d.Topology())))
			node.Sync(t)

			for i := range messages {
				e := processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}
				require.NoError(t, d.Delay(ctx, b.Publisher(), e, all[i%len(all)]))
			}
			node.Kill(t)
			node.Restart(t)
			begin := time.Now()
			twice := awaitAll(t, ctx, b.Source("work"), messages)
			t.Logf("all within %v of the restart, %d twice", time.Since(begin).Round(time.Millisecond), twice)
		})
	}
}

// awaitAll receives messages 0 to n-1, and returns how many came more than once.
func awaitAll(t *testing.T, ctx context.Context, source processor.Source, n int) (twice int) {
	t.Helper()
	sub, err := source.Subscribe(ctx, 100)
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(ctx)) }()
	seen := map[string]bool{}
	for len(seen) < n {
		msg, err := sub.Receive(ctx)
		require.NoError(t, err, "%d of %d messages came", len(seen), n)
		if seen[msg.Properties().ID] {
			twice++
		}
		seen[msg.Properties().ID] = true
		require.NoError(t, msg.Ack())
	}
	return twice
}
