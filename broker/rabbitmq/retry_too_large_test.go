package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// A body of 2 MB, stored before the broker's limit was lowered to 1 MB, closed the publishing channel at
// each try to park it. 200 small messages were not parked within a minute, and 18 of them twice.
func TestAMessageThatIsTooLargeToBeParkedKeepsNoOtherFromIt(t *testing.T) {
	t.Parallel()
	const small = 200
	node := rabbitmqtest.Start(t)
	told := &told{what: []byte("is larger than configured max size")}
	first := open(t, node.URL())
	work, parked := name(t), name(t)
	topology := broker.Topology{Queues: []broker.Queue{{Name: work}, {Name: parked}}}
	require.NoError(t, first.Declare(within(t), topology))
	require.NoError(t, first.Publisher().Publish(within(t), to(work), processor.Envelope{Body: make([]byte, 2<<20)}))
	for i := range small {
		require.NoError(t, first.Publisher().Publish(within(t), to(work), text(fmt.Sprint(i))))
	}
	node.Eval(t, "application:set_env(rabbit, max_message_size, 1000000), persistent_term:put(max_message_size, 1000000)")

	b := open(t, node.URL(), told.option())
	require.NoError(t, b.Declare(within(t), topology))
	pipeline, err := stack.New(ack.New(), retry.New(b.Publisher(), work+"-%attempt%", retry.ParkKey(parked))).
		ThenFunc(func(context.Context, processor.Message) error { return processor.Reject(errors.New("no")) })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	start := time.Now()
	go func() {
		ended <- must.Have(consumer.New(b.Source(work), pipeline, consumer.Workers(8), consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	ready(t, b, parked, small)
	t.Logf("%d parked after %v", small, time.Since(start).Round(time.Millisecond))
	require.Less(t, time.Since(start), 20*time.Second)
	require.LessOrEqual(t, told.times.Load(), int64(1), "the broker closes one channel over it")
	cancel()
	require.NoError(t, <-ended)
	ready(t, b, parked, small)
	ready(t, b, work, 1)
}
