// Package rig has helpers for tests of packages around broker/rabbitmq: they open a
// broker, look past it with a channel of the AMQP client, and wait, each for at most
// [Patience]. Everything opened is closed when the test is over.
package rig

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/processor"
)

// Patience bounds every wait.
const Patience = time.Minute

// Open opens a broker that logs nothing.
func Open(tb testing.TB, url string, opts ...rabbitmq.Option) *rabbitmq.Broker {
	tb.Helper()
	opts = append([]rabbitmq.Option{rabbitmq.Logger(slog.New(slog.DiscardHandler))}, opts...)
	b, err := rabbitmq.Open(Within(tb), []string{url}, opts...)
	require.NoError(tb, err)
	tb.Cleanup(func() { Close(b) })
	return b
}

// Close closes a broker or a subscription, whatever has become of the test's context.
func Close(c interface {
	Close(ctx context.Context) error
},
) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	_ = c.Close(ctx)
}

// Within is the test's context for [Patience].
func Within(tb testing.TB) context.Context {
	tb.Helper()
	return WithinTime(tb, Patience)
}

// WithinTime is the test's context for d.
func WithinTime(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

var names atomic.Int64

// Name returns a name that no other test of the process uses.
func Name(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("%s-%d", tb.Name(), names.Add(1))
}

// To is the queue as a destination on the default exchange.
func To(queue string) processor.Destination { return processor.Destination{RoutingKey: queue} }

// Text is a message whose body is its id.
func Text(s string) processor.Envelope {
	return processor.Envelope{Body: []byte(s), Properties: processor.Properties{ID: s}}
}

// Subscribe subscribes to a queue.
func Subscribe(tb testing.TB, b *rabbitmq.Broker, queue string, prefetch int) broker.Subscription {
	tb.Helper()
	sub, err := b.Source(queue).Subscribe(Within(tb), broker.SubscribeOptions{Prefetch: prefetch})
	require.NoError(tb, err)
	tb.Cleanup(func() { Close(sub) })
	return sub
}

// Receive returns the next message.
func Receive(tb testing.TB, sub broker.Subscription) processor.Message {
	tb.Helper()
	msg, err := sub.Receive(Within(tb))
	require.NoError(tb, err)
	return msg
}

// Ready waits until the queue has n messages ready.
func Ready(tb testing.TB, b *rabbitmq.Broker, queue string, n int) {
	tb.Helper()
	var got int
	require.Eventually(tb, func() bool {
		var err error
		got, err = b.Ready(Within(tb), queue)
		return err == nil && got == n
	}, Patience, 20*time.Millisecond, "queue %s", queue)
}
