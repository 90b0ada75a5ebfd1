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

// crowd is how many messages wait when their node dies.
const crowd = 1000

// times are their delays.
func times() []time.Duration {
	all := make([]time.Duration, 8)
	for i := range all {
		all[i] = time.Duration(i+1) * 777 * time.Millisecond
	}
	return all
}

func shortLadder() delay.Strategy {
	return delay.Ladder(delay.Unit(10*time.Millisecond), delay.Longest(10*time.Second))
}

// The node that leads every level dies while messages wait on all of them, and comes back.
func TestNothingThatWaitsIsLostWithItsNode(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]delay.Strategy{"ladder": shortLadder(), "steps": delay.Steps()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			b, d := begin(t, strategy, node.URL())
			node.Sync(t)
			wait(t, b, d)
			node.Kill(t)
			node.Restart(t)
			awaitCrowd(t, b)
		})
	}
}

// The same in a cluster. Other nodes lead at once, but their levels may dead-letter
// nothing until the dead node is back: on RabbitMQ 3.10.8 the worker for
// dead letters does not always learn what has been confirmed. No waiting message is lost.
func TestNothingThatWaitsIsLostWithItsLeader(t *testing.T) {
	t.Parallel()
	cluster := rabbitmqtest.StartCluster(t, 3)
	for _, node := range cluster.Nodes() {
		// Messages that the dead node was dead-lettering are tried again after this time, by default 180 s.
		node.Call(t, "application set_env [rabbit, dead_letter_worker_publisher_confirm_timeout, 2000]")
	}
	b, d := begin(t, shortLadder(), cluster.URLs()...)
	leader := cluster.Leader(t, "work")
	for _, q := range d.Topology().Queues {
		require.Equal(t, leader.URL(), cluster.Leader(t, q.Name).URL(), "one node leads all: %s", q.Name)
	}
	wait(t, b, d)
	leader.Kill(t)
	cluster.AwaitQuorum(t, "work")
	leader.Restart(t)
	awaitCrowd(t, b)
}

// begin opens a broker and declares a work queue with its delays.
func begin(t *testing.T, strategy delay.Strategy, urls ...string) (*rabbitmq.Broker, delay.Delayer) {
	t.Helper()
	ctx := t.Context()
	b, err := rabbitmq.Open(ctx, urls, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(ctx))) })
	d, err := strategy("work", times())
	require.NoError(t, err)
	work := broker.Topology{Queues: []broker.Queue{{Name: "work", Type: broker.Quorum}}}
	require.NoError(t, b.Declare(ctx, work.Merge(d.Topology())))
	return b, d
}

// wait delays a crowd of messages.
func wait(t *testing.T, b broker.Broker, d delay.Delayer) {
	t.Helper()
	all := times()
	for i := range crowd {
		e := processor.Envelope{Properties: processor.Properties{ID: strconv.Itoa(i)}}
		require.NoError(t, d.Delay(t.Context(), b.Publisher(), e, all[i%len(all)]))
	}
}

// awaitCrowd receives all of it.
func awaitCrowd(t *testing.T, b broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	sub, err := b.Source("work").Subscribe(ctx, broker.SubscribeOptions{Prefetch: 100})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(ctx)) }()
	begun, seen, twice := time.Now(), map[string]bool{}, 0
	for len(seen) < crowd {
		msg, err := sub.Receive(ctx)
		require.NoError(t, err, "%d of %d messages came", len(seen), crowd)
		if seen[msg.Properties().ID] {
			twice++
		}
		seen[msg.Properties().ID] = true
		require.NoError(t, msg.Ack())
	}
	t.Logf("all came within %v, %d of them twice", time.Since(begun).Round(time.Millisecond), twice)
}
