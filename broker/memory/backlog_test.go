package memory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// As RabbitMQ 4.3.6, 4.0.5 and 3.10.8 did it.
func TestPrioritiesOfAQuorumQueue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		major, minor int
		sent, want   string
	}{
		{4, 3, "0a 3a 4a 5a 9a 200a 0b 3b 4b 5b 9b 200b", "200a 200b 9a 9b 5a 5b 0a 4a 0b 4b 3a 3b"},
		{4, 3, "30 31 32 40 100 200 255", "31 32 40 100 200 255 30"},
		{4, 0, "0a 3a 4a 5a 9a 200a 0b 3b 4b 5b 9b 200b 0c 3c 4c 5c 9c 200c",
			"5a 9a 0a 200a 5b 3a 9b 200b 4a 5c 9c 0b 200c 3b 4b 0c 3c 4c"},
		{4, 0, "30 31 255", "30 31 255"},
		{3, 10, "0a 3a 4a 5a 9a 200a", "0a 3a 4a 5a 9a 200a"},
	} {
		t.Run(fmt.Sprintf("%d.%d %s", tc.major, tc.minor, tc.sent), func(t *testing.T) {
			t.Parallel()
			b := open(t, []broker.Queue{{Name: "q", Type: broker.Quorum}}, memory.Version(tc.major, tc.minor))
			prioritized(t, b, strings.Fields(tc.sent)...)
			require.Equal(t, tc.want, strings.Join(empty(t, b, "q"), " "))
		})
	}
}

// RabbitMQ 4.0.5 counts turns over all consumers: every third is for the lower class.
func TestTurnsOfTwoClasses(t *testing.T) {
	t.Parallel()
	for before, want := range map[int]string{ // after 2 it gave 9z 9a 9b 1a, which is not modelled
		0: "9z 9a 1a 9b 9c 1b 9d 1c 1d",
		1: "9z 1a 9a 9b 1b 9c 9d 1c 1d",
		3: "9z 9a 1a 9b 9c 1b 9d 1c 1d",
		4: "9z 1a 9a 9b 1b 9c 9d 1c 1d",
	} {
		b := open(t, []broker.Queue{{Name: "q", Type: broker.Quorum}}, memory.Version(4, 0))
		prioritized(t, b, slices.Repeat([]string{"9"}, before)...)
		s := subscribe(t, b, "q", 1)
		drain(t, s, before)
		require.NoError(t, s.Close(t.Context()))
		prioritized(t, b, "9z", "1a", "9a", "1b", "9b", "1c", "9c", "1d", "9d")
		require.Equal(t, want, strings.Join(empty(t, b, "q"), " "), "after %d", before)
	}
}

// A full queue drops the message that it would deliver next: the highest.
func TestOverflowOfAQueueWithPriorities(t *testing.T) {
	t.Parallel()
	for minor, want := range map[int]string{0: "1 2", 3: "2 1"} {
		b := open(t, []broker.Queue{{Name: "q", Type: broker.Quorum, MaxLength: 2, DeadLetter: toQueue("dead")}, {Name: "dead"}},
			memory.Version(4, minor))
		prioritized(t, b, "1", "9", "5", "2")
		require.Equal(t, []string{"9", "5"}, empty(t, b, "dead"))
		require.Equal(t, want, strings.Join(empty(t, b, "q"), " "))
	}
}

// prioritized publishes messages to q with the priority that their body begins with.
func prioritized(tb testing.TB, b *memory.Broker, bodies ...string) {
	tb.Helper()
	for _, body := range bodies {
		e := processor.Envelope{Body: []byte(body)}
		_, err := fmt.Sscan(strings.TrimRight(body, "abcdefgz"), &e.Priority)
		require.NoError(tb, err)
		require.NoError(tb, b.Publisher().Publish(tb.Context(), processor.Destination{RoutingKey: "q"}, e))
	}
}
