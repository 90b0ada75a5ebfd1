package memory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// Publishing, delivering and acking a message allocates the message, its copy of the body, its
// keys, its place in the queue and its delivery.
func TestAllocations(t *testing.T) {
	const most = 8
	b := open(t, []broker.Queue{{Name: "q"}})
	s := subscribe(t, b, "q", 1)
	var err error
	n := testing.AllocsPerRun(1000, func() { err = errors.Join(err, cycle(t.Context(), b, s)) })
	require.NoError(t, err)
	require.LessOrEqual(t, n, float64(most))
}

func BenchmarkPublishReceiveAck(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	s := subscribe(b, m, "q", 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := cycle(b.Context(), m, s); err != nil {
			b.Fatal(err)
		}
	}
}

// The same with a hundred thousand messages in the queue: its length costs nothing.
func BenchmarkLongQueue(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	for range 100_000 {
		publish(b, m, "q", "m")
	}
	s := subscribe(b, m, "q", 100)
	b.ReportAllocs()
	for b.Loop() {
		if err := cycle(b.Context(), m, s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRequeue(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	for range 10_000 {
		publish(b, m, "q", "m")
	}
	s := subscribe(b, m, "q", 1000)
	b.ReportAllocs()
	for b.Loop() {
		msg, err := s.Receive(b.Context())
		if err == nil {
			err = msg.Nack(true)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParallel(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	s := subscribe(b, m, "q", 100)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := cycle(b.Context(), m, s); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

var body = make([]byte, 256)

// cycle publishes a message, takes one and acks it. It is not marked as a test helper: that would
// take longer than its work.
func cycle(ctx context.Context, b *memory.Broker, s broker.Subscription) error {
	err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "q"}, processor.Envelope{Body: body})
	if err != nil {
		return err
	}
	m, err := s.Receive(ctx)
	if err != nil {
		return err
	}
	return m.Ack()
}
