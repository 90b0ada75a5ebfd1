package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// A message's whole life costs the message, its copy of the body, its keys, its place in
// the queue and its delivery.
func TestAllocations(t *testing.T) {
	const most = 8
	b := open(t, []broker.Queue{{Name: "q"}})
	s := subscribe(t, b, "q", 1)
	n := testing.AllocsPerRun(1000, func() { cycle(t, b, s) })
	require.LessOrEqual(t, n, float64(most))
}

func BenchmarkPublishReceiveAck(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	s := subscribe(b, m, "q", 1)
	b.ReportAllocs()
	for b.Loop() {
		cycle(b, m, s)
	}
}

// The same behind a hundred thousand others: the length of a queue costs nothing.
func BenchmarkLongQueue(b *testing.B) {
	m := open(b, []broker.Queue{{Name: "q"}})
	for range 100_000 {
		publish(b, m, "q", "m")
	}
	s := subscribe(b, m, "q", 100)
	b.ReportAllocs()
	for b.Loop() {
		cycle(b, m, s)
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
			cycle(b, m, s)
		}
	})
}

var body = make([]byte, 256)

// cycle publishes a message, takes one and acks it.
func cycle(tb testing.TB, b *memory.Broker, s processor.Subscription) {
	err := b.Publisher().Publish(tb.Context(), processor.Destination{RoutingKey: "q"}, processor.Envelope{Body: body})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := s.Receive(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	if err := m.Ack(); err != nil {
		tb.Fatal(err)
	}
}
