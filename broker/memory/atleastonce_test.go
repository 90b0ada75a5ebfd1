package memory_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// keeper is the quorum queue q, which keeps dead messages until a target takes them.
func keeper(to *broker.DeadLetter) broker.Queue {
	return broker.Queue{
		Name: "q", Type: broker.Quorum, Overflow: broker.RejectPublish, DeadLetter: to,
		Arguments: processor.Headers{"x-dead-letter-strategy": "at-least-once"},
	}
}

// noDrops fails if a message is dropped.
func noDrops(t *testing.T) memory.Option {
	t.Helper()
	return memory.OnDrop(func(d memory.Drop) { t.Errorf("%s was dropped: %s", d.Envelope.Body, d.Why) })
}

func TestTheDeadAreKeptUntilSomebodyTakesThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := keeper(toQueue("late"))
		q.MessageTTL = time.Second
		b := open(t, []broker.Queue{q}, noDrops(t))
		publish(t, b, "q", "1", "2")
		time.Sleep(time.Second)
		publish(t, b, "q", "3")
		time.Sleep(time.Hour)
		require.Equal(t, 0, ready(t, b, "q"))
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "late"}}}))
		require.Equal(t, []string{"1", "2", "3"}, empty(t, b, "late"))
		time.Sleep(time.Hour)
		require.Equal(t, 0, ready(t, b, "late"), "each came once")
	})
}

func TestTheDeadWaitForAnExchangeAndABinding(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{keeper(&broker.DeadLetter{Exchange: "x"}), {Name: "to"}}, noDrops(t))
	publish(t, b, "q", "m")
	require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{{Name: "x", Kind: broker.Fanout}}}))
	require.Equal(t, 0, ready(t, b, "to"))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Bindings: []broker.Binding{{Exchange: "x", Queue: "to"}}}))
	require.Equal(t, []string{"m"}, empty(t, b, "to"))
}

// The target with room gets each message once, the other one when it has room.
func TestTheDeadWaitForRoom(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{
		keeper(&broker.DeadLetter{Exchange: "amq.fanout"}),
		{Name: "wide"}, {Name: "narrow", MaxLength: 1, Overflow: broker.RejectPublish},
	}, noDrops(t))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Bindings: []broker.Binding{
		{Exchange: "amq.fanout", Queue: "narrow"}, {Exchange: "amq.fanout", Queue: "wide"},
	}}))
	publish(t, b, "q", "1", "2", "3")
	s := subscribe(t, b, "q", 1)
	for range 3 {
		require.NoError(t, receive(t, s).Nack(false))
	}
	require.Equal(t, []string{"1", "2", "3"}, empty(t, b, "wide"))
	require.Equal(t, []string{"1", "2", "3"}, drain(t, subscribe(t, b, "narrow", 1), 3))
	require.Equal(t, 0, ready(t, b, "wide"))
}

func TestTheDeadThatAreKeptTakeRoom(t *testing.T) {
	t.Parallel()
	q := keeper(toQueue("late"))
	q.MaxLength = 2
	b := open(t, []broker.Queue{q}, noDrops(t))
	publish(t, b, "q", "1", "2")
	s := subscribe(t, b, "q", 1)
	require.NoError(t, receive(t, s).Nack(false))
	require.NoError(t, receive(t, s).Nack(false))
	require.NoError(t, s.Close(t.Context()))
	require.ErrorIs(t, try(t, b, "q", "3"), processor.ErrRefused)
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "late"}}}))
	publish(t, b, "q", "3", "4")
	require.ErrorIs(t, try(t, b, "q", "5"), processor.ErrRefused)
	require.Equal(t, []string{"1", "2"}, empty(t, b, "late"))
}

// Messages in flight take no room, so more may die than there is room for.
func TestMoreOfTheDeadThanThereIsRoomFor(t *testing.T) {
	t.Parallel()
	q := keeper(toQueue("late"))
	q.MaxLength = 1
	b := open(t, []broker.Queue{q}, noDrops(t))
	s := subscribe(t, b, "q", 2)
	publish(t, b, "q", "1", "2")
	for range 2 {
		require.NoError(t, receive(t, s).Nack(false))
	}
	require.Equal(t, 0, ready(t, b, "q"))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "late"}}}))
	require.Equal(t, []string{"1", "2"}, empty(t, b, "late"))
}

// Each operation of the whole broker tried each of them, with a new x-death.
func TestTheDeadThatAreKeptCostOthersNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun
	b := open(t, []broker.Queue{keeper(toQueue("missing")), {Name: "other"}}, noDrops(t))
	s := subscribe(t, b, "q", 1)
	for range 200 {
		publish(t, b, "q", "m")
		require.NoError(t, receive(t, s).Nack(false))
	}
	require.Less(t, testing.AllocsPerRun(10, func() { publish(t, b, "other", "m") }), 50.0)
}

// A target that dead-letters what it refuses got a copy of each that is kept, at each operation.
func TestTheDeadAreRefusedOnceWhileTheTargetIsFull(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{
		keeper(toQueue("full")), {Name: "refused"},
		{Name: "full", MaxLength: 1, DeadLetter: toQueue("refused"), Arguments: processor.Headers{"x-overflow": "reject-publish-dlx"}},
	}, noDrops(t))
	publish(t, b, "full", "first")
	publish(t, b, "q", "m")
	require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
	for range 10 {
		require.Equal(t, 1, ready(t, b, "refused"))
	}
	require.Equal(t, []string{"first", "m"}, drain(t, subscribe(t, b, "full", 1), 2))
}

func TestACycleIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := keeper(toQueue("q"))
		q.MessageTTL = time.Second
		b := open(t, []broker.Queue{q}, noDrops(t))
		publish(t, b, "q", "m")
		time.Sleep(time.Minute)
		require.Equal(t, 0, ready(t, b, "q"))
	})
}

func TestTheDeadGoWithTheirQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var drops []string
		start := time.Now()
		q := keeper(toQueue("missing"))
		q.MessageTTL, q.Expires = time.Second, time.Minute
		b := open(t, []broker.Queue{q}, memory.OnDrop(func(d memory.Drop) {
			drops = append(drops, fmt.Sprintf("%s after %v: %s", d.Envelope.Body, time.Since(start), d.Why))
		}))
		publish(t, b, "q", "m")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"m after 1m0s: the dead-letter exchange routes it nowhere"}, drops)
		require.NoError(t, b.Close(t.Context()))
	})
}

// Only a queue with reject-publish keeps dead messages, as in RabbitMQ.
func TestAtLeastOnceNeedsRejectPublish(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.Queue){
		"drop-head":    func(q *broker.Queue) { q.Overflow = "" },
		"at-most-once": func(q *broker.Queue) { q.Arguments["x-dead-letter-strategy"] = "at-most-once" },
		"no strategy":  func(q *broker.Queue) { q.Arguments = nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			drops := 0
			q := keeper(toQueue("missing"))
			change(&q)
			b := open(t, []broker.Queue{q}, memory.OnDrop(func(memory.Drop) { drops++ }))
			publish(t, b, "q", "m")
			require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
			require.Equal(t, 1, drops)
			require.ErrorIs(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{keeper(toQueue("missing"))}}), broker.ErrMismatch)
		})
	}
}

func TestStrategiesThatRabbitMQRefuses(t *testing.T) {
	t.Parallel()
	b := open(t, nil)
	for _, q := range []broker.Queue{
		{Name: "q", Arguments: processor.Headers{"x-dead-letter-strategy": "at-least-once"}},
		{Name: "q", Type: broker.Quorum, Arguments: processor.Headers{"x-dead-letter-strategy": "always"}},
		{Name: "q", Type: broker.Quorum, Arguments: processor.Headers{"x-dead-letter-strategy": 1}},
	} {
		require.ErrorIs(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{q}}), broker.ErrTopology)
	}
}
