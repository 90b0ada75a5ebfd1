package rabbitmq_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// patience bounds everything that is waited for.
const patience = time.Minute

// open opens a broker on the shared node, or on the given one.
func open(tb testing.TB, url string, opts ...rabbitmq.Option) *rabbitmq.Broker {
	tb.Helper()
	opts = append([]rabbitmq.Option{rabbitmq.Logger(slog.New(slog.DiscardHandler))}, opts...)
	b, err := rabbitmq.Open(within(tb), []string{url}, opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

func within(tb testing.TB) context.Context {
	tb.Helper()
	return withinTime(tb, patience)
}

func withinTime(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

var names atomic.Int64

// name returns a name that no other test uses.
func name(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("%s-%d", tb.Name(), names.Add(1))
}

// declareQueue declares a queue that is forgotten by the broker under test: it is not in
// its topology.
func declareQueue(tb testing.TB, url string, args amqp.Table) string {
	tb.Helper()
	q := name(tb)
	_, err := raw(tb, url).QueueDeclare(q, true, false, false, false, args)
	require.NoError(tb, err)
	return q
}

// raw is a channel of the client's own.
func raw(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

func to(queue string) processor.Destination { return processor.Destination{RoutingKey: queue} }

func text(s string) processor.Envelope {
	return processor.Envelope{Body: []byte(s), Properties: processor.Properties{ID: s}}
}

func subscribe(tb testing.TB, b *rabbitmq.Broker, queue string, prefetch int) broker.Subscription {
	tb.Helper()
	sub, err := b.Source(queue).Subscribe(within(tb), broker.SubscribeOptions{Prefetch: prefetch})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = sub.Close(ctx)
	})
	return sub
}

func receive(tb testing.TB, sub broker.Subscription) processor.Message {
	tb.Helper()
	msg, err := sub.Receive(within(tb))
	require.NoError(tb, err)
	return msg
}

// loseConnections has the node close b's connections, and returns when b has others: until then
// something may still be published on the old ones, or be received from them.
func loseConnections(tb testing.TB, node *rabbitmqtest.Node, b *rabbitmq.Broker) {
	tb.Helper()
	both := []*failover.Connection{b.Publishing(), b.Consuming()}
	opened := []time.Time{both[0].State().Since, both[1].State().Since}
	node.CloseConnections(tb, "test")
	for i, c := range both {
		require.Eventually(tb, func() bool {
			return c.Ready() == nil && c.State().Since.After(opened[i])
		}, patience, time.Millisecond)
	}
}

// ready waits until the queue has n messages ready.
func ready(tb testing.TB, b *rabbitmq.Broker, queue string, n int) {
	tb.Helper()
	var got int
	require.Eventually(tb, func() bool {
		var err error
		got, err = b.Ready(within(tb), queue)
		return err == nil && got == n
	}, patience, 20*time.Millisecond, "queue %s", queue)
}
