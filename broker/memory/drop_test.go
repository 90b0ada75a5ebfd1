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

// Every message that RabbitMQ drops silently is reported, once.
func TestOnDrop(t *testing.T) {
	t.Parallel()
	reject := func(t *testing.T, b *memory.Broker) {
		require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
	}
	wait := func(*testing.T, *memory.Broker) { time.Sleep(time.Hour) }
	full := broker.Queue{Name: "full", Overflow: broker.RejectPublish, Arguments: processor.Headers{"x-max-length": 0}}
	for name, tc := range map[string]struct {
		queue  broker.Queue
		others []broker.Queue
		then   func(*testing.T, *memory.Broker)
		want   string
	}{
		"no dead-letter exchange": {broker.Queue{}, nil, reject, "rejected: the queue has no dead-letter exchange"},
		"missing exchange": {broker.Queue{DeadLetter: &broker.DeadLetter{Exchange: "x"}}, nil, reject,
			"rejected: the dead-letter exchange does not exist"},
		"missing queue": {broker.Queue{DeadLetter: toQueue("missing")}, nil, reject,
			"rejected: the dead-letter exchange routes it nowhere"},
		"full target": {broker.Queue{DeadLetter: toQueue("full")}, []broker.Queue{full}, reject,
			"rejected: the dead-letter target is full"},
		"expired": {broker.Queue{MessageTTL: time.Second}, nil, wait,
			"expired: the queue has no dead-letter exchange"},
		"cycle": {broker.Queue{MessageTTL: time.Second, DeadLetter: toQueue("q")}, nil, wait,
			"expired: it goes round in a dead-letter cycle"},
		"too long": {broker.Queue{Arguments: processor.Headers{"x-max-length-bytes": 0}}, nil, wait,
			"maxlen: the queue has no dead-letter exchange"},
		"the queue expires": {broker.Queue{Expires: time.Second, DeadLetter: toQueue("missing")}, nil, wait,
			": the queue expired"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var drops []string
				var b *memory.Broker
				tc.queue.Name = "q"
				b = open(t, append(tc.others, tc.queue), memory.OnDrop(func(d memory.Drop) {
					_, _ = b.Ready(t.Context(), "q") // no lock is held
					drops = append(drops, fmt.Sprintf("%s in %s: %s: %s", d.Envelope.Body, d.Queue, d.Death, d.Why))
				}))
				publish(t, b, "q", "m")
				tc.then(t, b)
				synctest.Wait()
				require.Equal(t, []string{"m in q: " + tc.want}, drops)
			})
		})
	}
}

// Two queues of length 0 dead-letter to each other: with a rejection in its
// past, RabbitMQ would send a message between them without end.
func TestDeadLetteringWithoutEndEnds(t *testing.T) {
	t.Parallel()
	var drops int
	nothing := processor.Headers{"x-max-length": 0}
	b := open(t, []broker.Queue{
		{Name: "a", DeadLetter: toQueue("b"), Arguments: nothing},
		{Name: "b", DeadLetter: toQueue("a"), Arguments: nothing},
		{Name: "q", DeadLetter: toQueue("a")},
	}, memory.OnDrop(func(memory.Drop) { drops++ }))
	entry := func(queue, reason string) any {
		return processor.Headers{"queue": queue, "reason": reason, "count": int64(1)}
	}
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "a"}, processor.Envelope{
		Headers: processor.Headers{"x-death": []any{entry("b", "rejected"), entry("a", "rejected")}},
	}))
	publish(t, b, "q", "m")
	require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
	require.Equal(t, 2, drops)
}

// The panic ended the process, and the other drops were not reported.
func TestAnOnDropThatPanicsIsToldOfTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var drops []string
		b := open(t, []broker.Queue{{Name: "q", MessageTTL: time.Minute}}, memory.OnDrop(func(d memory.Drop) {
			drops = append(drops, string(d.Envelope.Body))
			panic("boom")
		}))
		publish(t, b, "q", "1", "2")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"1", "2"}, drops, "of a timer's")
		publish(t, b, "q", "3")
		require.NoError(t, receive(t, subscribe(t, b, "q", 1)).Nack(false))
		require.Equal(t, []string{"1", "2", "3"}, drops, "of whoever caused it")
	})
}
