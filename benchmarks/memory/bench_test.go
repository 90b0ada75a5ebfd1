package memory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// contender is a way to run a consumer and to publish to it.
type contender struct {
	by string
	// start starts a consumer that calls handled for each message.
	start func(tb testing.TB, handled func()) system
}

// system is a running consumer.
type system struct {
	publish func() error
	// stop ends the consumer and returns how many messages it has processed.
	stop func() int
}

// contenders work on one message at a time, or on several.
var contenders = []contender{
	{"warren", warren(1)},
	{"warren-4-workers", warren(4)},
	{"watermill", watermill}, // a goroutine for each message
}

// windows are how many messages may be in flight.
var windows = []int{1, 100}

func BenchmarkRoundTrip(b *testing.B) {
	for _, window := range windows {
		for _, c := range contenders {
			b.Run(fmt.Sprintf("window=%d/by=%s", window, c.by), func(b *testing.B) {
				b.ReportAllocs()
				roundTrips(b, c, b.N, window, b.ResetTimer, b.StopTimer)
			})
		}
	}
}

// Every published message is processed.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, window := range windows {
		for _, c := range contenders {
			t.Run(fmt.Sprintf("window=%d/by=%s", window, c.by), func(t *testing.T) {
				t.Parallel()
				roundTrips(t, c, 300, window, func() {}, func() {})
			})
		}
	}
}

// roundTrips publishes n messages, at most window ahead of the handler, which frees a place when it
// has handled a message, a moment before the ack.
func roundTrips(tb testing.TB, c contender, n, window int, begin, end func()) {
	tb.Helper()
	places := make(chan struct{}, window)
	s := c.start(tb, func() { <-places })
	begin()
	for range n {
		places <- struct{}{}
		if err := s.publish(); err != nil {
			tb.Fatal(err)
		}
	}
	for range window { // every place is free: the last message has been handled
		places <- struct{}{}
	}
	end()
	require.Equal(tb, n, s.stop())
}
