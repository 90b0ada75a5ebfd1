package outbox

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// 40 queues that hung had the bodies of each batch in memory: only messages were counted.
func TestWhatIsInFlightIsBoundedInMessagesAndBytes(t *testing.T) {
	t.Parallel()
	d := &delivery{relay: &Relay{relayConfig: relayConfig{batch: 10}}, flights: map[processor.Destination]*flight{}}
	to := func(key string, queue ...stored) {
		d.flights[processor.Destination{RoutingKey: key}] = &flight{queues: [][]stored{queue}}
	}
	to("many", make([]stored, maxHeld*10)...)
	require.False(t, d.isFull())
	to("one more", stored{})
	require.True(t, d.isFull())
	large := stored{envelope: processor.Envelope{Body: make([]byte, maxRead)}}
	to("many", large, large, large, large)
	require.False(t, d.isFull())
	large.envelope.Body = large.envelope.Body[:1]
	to("one more", large)
	require.True(t, d.isFull())
}

func TestManyThatAreSilentAreLeftOutByTheirExchange(t *testing.T) {
	t.Parallel()
	keys := func(exchange string, n int) (all []processor.Destination) {
		for i := range n {
			all = append(all, processor.Destination{Exchange: exchange, RoutingKey: string(rune('a' + i))})
		}
		return all
	}
	l, complete := leaveOut(keys("e", crowd), nil)
	require.True(t, complete)
	require.Equal(t, []string{"e"}, l.exchanges, "all may lead to one queue")
	l, complete = leaveOut(keys("e", crowd), keys("e", crowd))
	require.True(t, complete)
	require.Empty(t, l.exchanges, "of those that are known to be silent the others are free")
	require.Len(t, l.keys["e"], crowd)
	l, complete = leaveOut(nil, keys("e", maxKeys+1))
	require.True(t, complete)
	require.Equal(t, []string{"e"}, l.exchanges)
	l, complete = leaveOut(nil, keys("", maxQueues+1))
	require.False(t, complete)
	require.Len(t, l.keys[""], maxQueues)
	l, complete = leaveOut(nil, nil)
	require.True(t, complete)
	require.True(t, l.isEmpty())
}
