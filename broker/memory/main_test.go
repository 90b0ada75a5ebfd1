package memory_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a broker with these queues, which is closed when the test ends.
func open(tb testing.TB, queues []broker.Queue, opts ...memory.Option) *memory.Broker {
	tb.Helper()
	b := memory.New(opts...)
	tb.Cleanup(func() { _ = b.Close(tb.Context()) })
	require.NoError(tb, b.Declare(tb.Context(), broker.Topology{Queues: queues}))
	return b
}

func publish(tb testing.TB, b *memory.Broker, queue string, bodies ...string) {
	tb.Helper()
	for _, body := range bodies {
		require.NoError(tb, try(tb, b, queue, body))
	}
}

func try(tb testing.TB, b *memory.Broker, queue, body string) error {
	tb.Helper()
	return b.Publisher().Publish(tb.Context(), processor.Destination{RoutingKey: queue}, processor.Envelope{Body: []byte(body)})
}

func subscribe(tb testing.TB, b *memory.Broker, queue string, prefetch int) broker.Subscription {
	tb.Helper()
	s, err := b.Source(queue).Subscribe(tb.Context(), broker.SubscribeOptions{Prefetch: prefetch})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.Close(tb.Context()) })
	return s
}

func receive(tb testing.TB, s broker.Subscription) processor.Message {
	tb.Helper()
	m, err := s.Receive(tb.Context())
	require.NoError(tb, err)
	return m
}

// drain acks n messages and returns their bodies.
func drain(tb testing.TB, s broker.Subscription, n int) []string {
	tb.Helper()
	var bodies []string
	for range n {
		m := receive(tb, s)
		bodies = append(bodies, string(m.Body()))
		require.NoError(tb, m.Ack())
	}
	return bodies
}

// empty acks all that is ready in a queue and returns the bodies.
func empty(tb testing.TB, b *memory.Broker, queue string) []string {
	tb.Helper()
	n := ready(tb, b, queue)
	return drain(tb, subscribe(tb, b, queue, 1), n)
}

func ready(tb testing.TB, b *memory.Broker, queue string) int {
	tb.Helper()
	n, err := b.Ready(tb.Context(), queue)
	require.NoError(tb, err)
	return n
}

// toQueue dead-letters straight to a queue.
func toQueue(name string) *broker.DeadLetter { return &broker.DeadLetter{RoutingKey: name} }

func release(m processor.Message) error {
	d, ok := m.(*broker.Delivery)
	if !ok {
		return errors.New("this message cannot be released")
	}
	return d.Release()
}
