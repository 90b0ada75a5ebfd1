package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

var names atomic.Int64

// connect returns a broker with the work queue, and a parked queue of the test's own.
func connect(t *testing.T, url string, kind broker.QueueType) (b *rabbitmq.Broker, parked string) {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), []string{url}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	parked = fmt.Sprintf("%s.%d", strings.ReplaceAll(t.Name(), "/", "."), names.Add(1))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{
		Queues: []broker.Queue{{Name: parked, Type: kind}, {Name: parked + ".work"}},
	}))
	return b, parked
}

// fill publishes n messages that came from the work queue.
func fill(t *testing.T, b *rabbitmq.Broker, parked string, n int) replay.Route {
	t.Helper()
	park(t, b, parked, n, processor.Headers{"warren-original-exchange": "", "warren-original-routing-key": parked + ".work"})
	return replay.ToOrigin(processor.Destination{RoutingKey: parked + ".work"})
}

// settled waits until a queue has n messages ready: a requeue takes a moment.
func settled(t *testing.T, b *rabbitmq.Broker, queue string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return ready(t, b, queue) == n }, patience, 10*time.Millisecond)
}

func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b, parked := connect(t, rabbitmqtest.Shared(t).URL(), kind)
			route := fill(t, b, parked, 300)

			counts, err := replay.Run(t.Context(), b, parked, route, replay.DryRun())
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: 300, Seen: 300, Moved: 300}, counts)
			settled(t, b, parked, 300)
			require.Zero(t, ready(t, b, parked+".work"))

			counts, err = replay.Run(t.Context(), b, parked, route, replay.Filter(even))
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: 300, Seen: 300, Moved: 150, Left: 150}, counts)
			settled(t, b, parked, 150)
			for i, msg := range drain(t, b, parked+".work", 150) {
				require.Equal(t, fmt.Sprint(2*i), msg.Properties().ID)
				require.Equal(t, processor.Headers{
					"warren-original-exchange": "", "warren-original-routing-key": parked + ".work", "warren-original-queue": parked + ".work",
				}, msg.Headers())
			}
			for i, id := range ids(t, b, parked, 150) {
				require.Equal(t, fmt.Sprint(2*i+1), id, "what stays keeps its order")
			}
		})
	}
}

func TestALimitOnRabbitMQLeavesTheRestInItsPlace(t *testing.T) {
	t.Parallel()
	b, parked := connect(t, rabbitmqtest.Shared(t).URL(), broker.Classic)
	route := fill(t, b, parked, 200)
	counts, err := replay.Run(t.Context(), b, parked, route, replay.Filter(even), replay.MaxMessages(40))
	require.NoError(t, err)
	require.Equal(t, replay.Counts{Total: 200, Seen: 79, Moved: 40, Left: 39}, counts)
	settled(t, b, parked, 160)
	left := ids(t, b, parked, 160)
	require.Equal(t, []string{"1", "3", "5"}, left[:3])
	require.Equal(t, []string{"77", "79", "80", "81"}, left[38:42])
}

func TestUnroutableOnRabbitMQStays(t *testing.T) {
	t.Parallel()
	b, parked := connect(t, rabbitmqtest.Shared(t).URL(), broker.Quorum)
	fill(t, b, parked, 10)
	for _, nowhere := range []processor.Destination{{RoutingKey: parked + ".nowhere"}, {Exchange: parked + ".nowhere"}} {
		counts, err := replay.Run(t.Context(), b, parked, replay.To(nowhere), replay.OnEvent(func(e replay.Event) {
			require.ErrorIs(t, e.Err, processor.ErrUnroutable)
		}))
		require.NoError(t, err)
		require.Equal(t, replay.Counts{Total: 10, Seen: 10, Failed: 10}, counts)
		settled(t, b, parked, 10)
	}
}

// Ten pages, and so ten channels.
func TestManyThatStayOnRabbitMQ(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b, parked := connect(t, rabbitmqtest.Shared(t).URL(), kind)
			const n = 3000
			route := fill(t, b, parked, n)
			counts, err := replay.Run(t.Context(), b, parked, route,
				replay.Filter(func(msg processor.Message) bool { return strings.HasSuffix(msg.Properties().ID, "99") }))
			require.NoError(t, err)
			require.Equal(t, replay.Counts{Total: n, Seen: n, Moved: 30, Left: n - 30}, counts)
			settled(t, b, parked, n-30)
			left := ids(t, b, parked, n-30)
			require.Equal(t, "0", left[0])
			require.Equal(t, fmt.Sprint(n-2), left[len(left)-1])
		})
	}
}

func TestConnectionsThatAreClosedLoseNothing(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			b, parked := connect(t, node.URL(), kind)
			const n = 400
			route := fill(t, b, parked, n)
			var closes int
			counts, err := replay.Run(t.Context(), b, parked, route, replay.Rate(400), replay.Filter(even),
				replay.OnEvent(func(e replay.Event) {
					if e.Outcome == replay.Moved && e.Counts.Moved%60 == 50 && closes < 3 {
						closes++
						node.CloseConnections(t, "test")
					}
				}))
			require.NoError(t, err)
			require.Equal(t, 3, closes)
			require.GreaterOrEqual(t, counts.Moved, n/2)
			work, left := stable(t, b, parked+".work", n/2), stable(t, b, parked, n/2)
			require.LessOrEqual(t, work+left, n+3*256, "doubled is what was in hand, its acks having been lost")
			found := map[string]bool{}
			for _, id := range append(ids(t, b, parked+".work", work), ids(t, b, parked, left)...) {
				found[id] = true
			}
			require.Len(t, found, n)
		})
	}
}

// stable waits until a queue has at least so many messages, and gets no more.
func stable(t *testing.T, b *rabbitmq.Broker, queue string, least int) int {
	t.Helper()
	last := -1
	require.Eventually(t, func() bool {
		n := ready(t, b, queue)
		same := n == last
		last = n
		return same && n >= least
	}, patience, 300*time.Millisecond)
	return last
}

// The broker closes the channel of held messages; the run begins again, and ends.
func TestAConsumerTimeoutLosesNothing(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	node.SetConsumerTimeout(t, 2*time.Second)
	b, parked := connect(t, node.URL(), broker.Classic)
	route := fill(t, b, parked, 20)
	counts, err := replay.Run(t.Context(), b, parked, route, replay.Rate(2), replay.Filter(even))
	require.NoError(t, err)
	work, left := stable(t, b, parked+".work", 10), stable(t, b, parked, 10)
	require.GreaterOrEqual(t, counts.Moved, 10, "%+v", counts)
	require.LessOrEqual(t, work+left, 20+10, "each time one is doubled, the one in hand")
	found := map[string]bool{}
	for _, id := range append(ids(t, b, parked+".work", work), ids(t, b, parked, left)...) {
		found[id] = true
	}
	require.Len(t, found, 20)
}
