package rabbitmq_test

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// ackDelay is how long the last ack may wait for others.
const ackDelay = 2 * time.Millisecond

// warrenClient is Warren as a worker has it: the stack of ack, retry and recovery.
type warrenClient struct{ broker *rabbitmq.Broker }

var _ client = (*warrenClient)(nil)

func newWarrenClient(tb testing.TB, url string) client { tb.Helper(); return newWarren(tb, url) }

func newWarren(tb testing.TB, url string) *warrenClient {
	tb.Helper()
	b, err := rabbitmq.Open(tb.Context(), []string{url}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close(context.Background())) })
	return &warrenClient{b}
}

func (w *warrenClient) publish(ctx context.Context, queue string, n, goroutines int) error {
	publisher := w.broker.Publisher()
	return share(n, goroutines, func() error {
		return publisher.Publish(ctx, processor.Destination{RoutingKey: queue}, processor.Envelope{
			Body: body, Headers: processor.Headers{"tenant": "acme"}, Properties: processor.Properties{ID: "4711"},
		})
	})
}

func (w *warrenClient) consume(ctx context.Context, queue string, n, goroutines int) (time.Time, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var end time.Time
	var acked atomic.Int64
	count := func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			err := next.Process(ctx, msg)
			if acked.Add(1) == int64(n) {
				end = time.Now().Add(ackDelay)
				cancel()
			}
			return err
		})
	}
	layers := stack.New(count, ack.New(), retry.New(w.broker.Publisher(), "work_retry_%attempt%"), recovery.New())
	pipeline, err := layers.ThenFunc(func(context.Context, processor.Message) error { return nil })
	if err != nil {
		return end, err
	}
	err = must.Have(consumer.New(w.broker.Source(queue), pipeline,
		consumer.Workers(goroutines), consumer.Prefetch(prefetch))).Run(ctx)
	return end, err
}
