package memory_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// The counts of a message at its first delivery by a quorum queue that it was dead-lettered to,
// as RabbitMQ 4.3.6, 4.0.5 and 3.10.8 showed them.
func TestFailuresThatGoAlong(t *testing.T) {
	t.Parallel()
	type counts struct{ delivery, acquired int64 }
	for _, from := range []broker.QueueType{broker.Classic, broker.Quorum} {
		for _, tc := range []struct {
			how string // r: nack with requeue, l: release, x: reject
			v43 counts
		}{
			{how: "x", v43: counts{1, 1}},
			{how: "rx", v43: counts{2, 2}},
			{how: "lx", v43: counts{1, 1}},
			{how: "rlrx", v43: counts{3, 3}},
		} {
			for _, version := range [][2]int{{4, 3}, {4, 0}, {3, 10}} {
				t.Run(fmt.Sprint(from, tc.how, version), func(t *testing.T) {
					t.Parallel()
					want := tc.v43
					if version[1] != 3 {
						want = counts{}
					}
					if version[1] == 0 && from == broker.Quorum {
						want.delivery = 1
					}
					b := open(t, []broker.Queue{{Name: "q", Type: from, DeadLetter: toQueue("dead")}, {Name: "dead", Type: broker.Quorum}},
						memory.Version(version[0], version[1]))
					publish(t, b, "q", "m")
					s := subscribe(t, b, "q", 1)
					for _, step := range tc.how {
						settle(t, receive(t, s), step)
					}
					m := receive(t, subscribe(t, b, "dead", 1))
					var got counts
					got.delivery, _ = m.Headers().Int64("x-delivery-count")
					got.acquired, _ = m.Headers().Int64("x-acquired-count")
					require.Equal(t, want, got)
					require.Equal(t, want.delivery > 0, m.Origin().Redelivered)
				})
			}
		}
	}
}

func settle(tb testing.TB, m processor.Message, how rune) {
	tb.Helper()
	if how == 'l' {
		require.NoError(tb, release(m))
		return
	}
	require.NoError(tb, m.Nack(how == 'r'))
}

// A message that died of the limit of 20 does not survive a failure in a queue with the same limit.
func TestWhatDiedOfTheLimitHasNoAttemptsLeft(t *testing.T) {
	t.Parallel()
	var drops []memory.Drop
	b := open(t, []broker.Queue{
		{Name: "q", Type: broker.Quorum, DeadLetter: toQueue("parked")},
		{Name: "parked", Type: broker.Quorum},
	}, memory.OnDrop(func(d memory.Drop) { drops = append(drops, d) }))
	publish(t, b, "q", "m")
	s := subscribe(t, b, "q", 1)
	for range 21 {
		require.NoError(t, receive(t, s).Nack(true))
	}
	parked := subscribe(t, b, "parked", 1)
	require.NoError(t, release(receive(t, parked)))
	require.Empty(t, drops)
	m := receive(t, parked)
	count, _ := m.Headers().Int64("x-delivery-count")
	require.EqualValues(t, 21, count)
	require.NoError(t, m.Nack(true))
	require.Len(t, drops, 1)
	require.Equal(t, "delivery_limit", drops[0].Death)
}

func TestTheLargestBody(t *testing.T) {
	t.Parallel()
	body := make([]byte, 16<<20+1)
	to := processor.Destination{RoutingKey: "q"}
	for version, want := range map[[2]int]error{{4, 3}: processor.ErrTooLarge, {4, 0}: processor.ErrTooLarge, {3, 10}: nil} {
		b := open(t, []broker.Queue{{Name: "q"}}, memory.Version(version[0], version[1]))
		require.ErrorIs(t, b.Publisher().Publish(t.Context(), to, processor.Envelope{Body: body}), want)
		require.NoError(t, b.Publisher().Publish(t.Context(), to, processor.Envelope{Body: body[:16<<20]}))
	}
}
