package memory_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

var body = make([]byte, 256)

// warren is the embedded broker and a consumer with the stack that a worker runs.
func warren(workers int) func(testing.TB, func()) system {
	return func(tb testing.TB, handled func()) system {
		tb.Helper()
		ctx, cancel := context.WithCancel(tb.Context())
		tb.Cleanup(cancel)
		b := memory.New()
		tb.Cleanup(func() { _ = b.Close(context.Background()) })
		require.NoError(tb, b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "work"}}}))

		publisher := b.Publisher()
		c := must.Have(consumer.New(b.Source("work"), pipeline(tb, publisher, handled),
			consumer.Workers(workers), consumer.Prefetch(100)))
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()

		return system{
			publish: func() error {
				return publisher.Publish(ctx, processor.Destination{RoutingKey: "work"}, processor.Envelope{
					Body: body, Headers: processor.Headers{"tenant": "acme"}, Properties: processor.Properties{ID: "4711"},
				})
			},
			stop: func() int {
				cancel()
				require.NoError(tb, <-ended)
				return int(c.Stats().Done)
			},
		}
	}
}

func pipeline(tb testing.TB, p processor.Publisher, handled func()) *stack.Pipeline {
	tb.Helper()
	built, err := stack.New(ack.New(), retry.New(p, "work_retry_%attempt%"), recovery.New()).
		ThenFunc(func(context.Context, processor.Message) error {
			handled()
			return nil
		})
	require.NoError(tb, err)
	return built
}
