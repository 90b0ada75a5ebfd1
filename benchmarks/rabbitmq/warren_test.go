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
	nothing := processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })
	return w.serve(ctx, queue, n, goroutines, nothing,
		ack.New(), retry.New(w.broker.Publisher(), "work_retry_%attempt%"), recovery.New())
}

// serve takes n messages, and returns when the last ack was sent.
func (w *warrenClient) serve(ctx context.Context, queue string, n, workers int, h processor.Processor, layers ...processor.Middleware) (time.Time, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var end time.Time
	var done atomic.Int64
	count := func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			err := next.Process(ctx, msg)
			if done.Add(1) == int64(n) {
				end = time.Now().Add(ackDelay)
				cancel()
			}
			return err
		})
	}
	pipeline, err := stack.New(append([]processor.Middleware{count}, layers...)...).Then(h)
	if err != nil {
		return end, err
	}
	err = must.Have(consumer.New(w.broker.Source(queue), pipeline, consumer.Workers(workers),
		consumer.Prefetch(prefetch), consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	return end, err
}
