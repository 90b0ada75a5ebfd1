//go:build unix

package backoff_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
)

// On RabbitMQ: 50 messages that fail three times each are all processed at the fourth, none
// of them before its time.
func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	const messages = 50
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	b, err := rabbitmq.Open(ctx, []string{rabbitmqtest.Shared(t).URL()}, rabbitmq.Logger(quiet))
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(ctx))) }()

	delays := []time.Duration{50 * time.Millisecond, 150 * time.Millisecond, 230 * time.Millisecond}
	opts := []backoff.Option{
		backoff.Schedule(backoff.List(delays...)), backoff.Jitter(0),
		backoff.Strategy(delay.Ladder(delay.Unit(10*time.Millisecond), delay.Longest(10*time.Second))),
		backoff.Park(processor.Destination{RoutingKey: "backoff-parked"}),
	}
	topology, err := backoff.Topology(broker.Queue{Name: "backoff", Type: broker.Quorum}, opts...)
	require.NoError(t, err)
	require.NoError(t, b.Declare(ctx, topology))

	calls := &tally{delays: delays, calls: map[string][]time.Time{}}
	pipeline, err := stack.New(ack.New(),
		backoff.New(b.Publisher(), "backoff", opts...), recovery.New()).Then(calls)
	require.NoError(t, err)
	for i := range messages {
		require.NoError(t, b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "backoff"},
			processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}))
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() {
		done <- must.Have(consumer.New(b.Source("backoff"), pipeline, consumer.Workers(8), consumer.Logger(quiet))).Run(running)
	}()
	require.Eventually(t, func() bool { return calls.succeeded() == messages }, 2*time.Minute, 10*time.Millisecond)
	stop()
	require.NoError(t, <-done)

	for id, at := range calls.calls {
		require.Len(t, at, len(delays)+1, id)
		for i, d := range delays {
			require.GreaterOrEqual(t, at[i+1].Sub(at[i]), d, "%s, retry %d", id, i+1)
		}
	}
	for _, q := range topology.Queues {
		n, err := b.Ready(ctx, q.Name)
		require.NoError(t, err)
		require.Zero(t, n, q.Name)
	}
}

// tally is a handler that makes each message fail once for each delay.
type tally struct {
	delays []time.Duration

	mu    sync.Mutex
	calls map[string][]time.Time // of each message
	done  int
}

func (c *tally) Process(_ context.Context, msg processor.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := msg.Properties().ID
	c.calls[id] = append(c.calls[id], time.Now())
	if n, _ := msg.Headers().Int64(backoff.HeaderBackoffs); int(n) < len(c.delays) {
		return errMail
	}
	c.done++
	return nil
}

func (c *tally) succeeded() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}
