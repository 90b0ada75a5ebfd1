package rabbitmq_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// helm is a layer that gives its run to the test.
type helm struct {
	processor.Processor
	runs chan stack.Run
}

func (h *helm) Start(ctx context.Context) error {
	h.runs <- stack.RunFrom(ctx)
	return nil
}

func TestAPausedConsumerLeavesItsMessagesInTheQueue(t *testing.T) {
	t.Parallel()
	const n = 50
	node := rabbitmqtest.Shared(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	for i := range n {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(fmt.Sprint(i))))
	}
	h := &helm{runs: make(chan stack.Run, 1)}
	var done atomic.Int64
	begun, finish := make(chan struct{}, n), make(chan struct{})
	p, err := stack.New(func(next processor.Processor) processor.Processor {
		h.Processor = next
		return h
	}, ack.New()).ThenFunc(func(context.Context, processor.Message) error {
		begun <- struct{}{}
		<-finish
		done.Add(1)
		return nil
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		result <- must.Have(consumer.New(b.Source(queue), p, consumer.Workers(2), consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	<-begun
	<-begun

	resume := (<-h.runs).Pause()
	ready(t, b, queue, n-2)
	close(finish)
	require.Eventually(t, func() bool { return done.Load() == 2 }, patience, 20*time.Millisecond)
	ready(t, b, queue, n-2)
	resume()
	require.Eventually(t, func() bool { return done.Load() == n }, patience, 20*time.Millisecond, "each once")
	cancel()
	require.NoError(t, <-result)
	ready(t, b, queue, 0)
	require.Equal(t, int64(n), done.Load())
}
