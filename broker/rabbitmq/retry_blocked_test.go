package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

// Two failing messages waited for the end of a memory alarm, each with a worker, whatever KeepTrying
// was: 20 good ones were not processed for 30 s and more.
func TestMessagesThatFailDuringAMemoryAlarmDoNotKeepTheOthersFromBeingProcessed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	work, again := name(t), name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: work}, {Name: again}}}))
	for range 2 {
		require.NoError(t, b.Publisher().Publish(within(t), to(work), text("bad")))
	}
	for range 20 {
		require.NoError(t, b.Publisher().Publish(within(t), to(work), text("good")))
	}
	node.SetMemoryAlarm(t, true)
	start := time.Now()
	var good atomic.Int64
	pipeline, err := stack.New(ack.New(), retry.New(b.Publisher(), again, retry.Retries(1), retry.KeepTrying(time.Second))).
		ThenFunc(func(_ context.Context, msg processor.Message) error {
			if strings.HasPrefix(msg.Properties().ID, "bad") {
				return errors.New("no")
			}
			good.Add(1)
			return nil
		})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- must.Have(consumer.New(b.Source(work), pipeline, consumer.Workers(2), consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	require.Eventually(t, func() bool { return good.Load() == 20 }, 20*time.Second, time.Millisecond)
	t.Logf("20 processed after %v", time.Since(start).Round(time.Millisecond))
	node.SetMemoryAlarm(t, false)
	require.Eventually(t, func() bool {
		n, err := b.Ready(within(t), again)
		return err == nil && n >= 2
	}, patience, time.Millisecond, "none is lost")
	cancel()
	require.NoError(t, <-ended)
}
