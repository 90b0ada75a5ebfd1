package memory_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// The order of the entries as RabbitMQ 4.3.6 and 3.10.8 gave it, for a message rejected from
// queue to queue in a ring of five. That of 4.0.5 was the one of 4.3.6.
func TestOrderOfDeathsInARing(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		major, minor int
		want         []string
	}{
		{4, 3, []string{
			"",
			"0x1",
			"1x1 0x1",
			"2x1 1x1 0x1",
			"3x1 2x1 1x1 0x1",
			"4x1 3x1 2x1 1x1 0x1",
			"0x2 4x1 3x1 2x1 1x1",
			"1x2 0x2 4x1 3x1 2x1",
			"2x2 1x2 0x2 4x1 3x1",
			"3x2 2x2 1x2 0x2 4x1",
			"4x2 3x2 2x2 1x2 0x2",
			"0x3 4x2 3x2 2x2 1x2",
		}},
		{3, 10, []string{
			"",
			"0x1",
			"1x1 0x1",
			"2x1 0x1 1x1",
			"3x1 1x1 0x1 2x1",
			"4x1 2x1 0x1 1x1 3x1",
			"0x2 3x1 1x1 2x1 4x1",
			"1x2 4x1 2x1 3x1 0x2",
			"2x2 0x2 3x1 4x1 1x2",
			"3x2 1x2 4x1 0x2 2x2",
			"4x2 2x2 0x2 1x2 3x2",
			"0x3 3x2 1x2 2x2 4x2",
		}},
	} {
		t.Run(fmt.Sprintf("%d.%d", tc.major, tc.minor), func(t *testing.T) {
			t.Parallel()
			ring(t, tc.want, memory.Version(tc.major, tc.minor))
		})
	}
}

func ring(t *testing.T, orders []string, version memory.Option) {
	t.Helper()
	var queues []broker.Queue
	for i := range 5 {
		queues = append(queues, broker.Queue{Name: fmt.Sprint(i), DeadLetter: toQueue(fmt.Sprint((i + 1) % 5))})
	}
	b := open(t, queues, version)
	publish(t, b, "0", "m")
	for round, want := range orders {
		s := subscribe(t, b, fmt.Sprint(round%5), 1)
		m := receive(t, s)
		require.Equal(t, want, deaths(m), "round %d", round)
		require.NoError(t, m.Nack(false))
		require.NoError(t, s.Close(t.Context()))
	}
}

func deaths(m processor.Message) string {
	var all []string
	list, _ := m.Headers().List("x-death")
	for _, death := range list {
		table, _ := death.(processor.Headers)
		all = append(all, fmt.Sprintf("%vx%v", table["queue"], table["count"]))
	}
	return strings.Join(all, " ")
}

// A second death in the same queue only counts: everything else is that of the first.
func TestASecondDeathOnlyCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{
			{Name: "work", DeadLetter: toQueue("wait")}, {Name: "wait", MessageTTL: time.Hour, DeadLetter: toQueue("work")},
		})
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "work"},
			processor.Envelope{Properties: processor.Properties{Expiration: time.Minute}}))
		s := subscribe(t, b, "work", 1)
		require.NoError(t, receive(t, s).Nack(false))
		first := receive(t, s)
		list, _ := first.Headers().List("x-death")
		require.NoError(t, first.Nack(false))
		var want []any
		for _, entry := range list {
			death, _ := entry.(processor.Headers)
			death = death.Clone()
			death["count"] = int64(2)
			want = append(want, death)
		}
		require.Equal(t, "60000", want[1].(processor.Headers)["original-expiration"]) //nolint:forcetypeassert // see above
		require.Equal(t, want, receive(t, s).Headers()["x-death"])
	})
}

// A republish that keeps x-death counts on, up to RabbitMQ 3.10.
func TestASecondDeathAfterARepublish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t, []broker.Queue{{Name: "dead"}, {Name: "q", DeadLetter: toQueue("dead")}}, memory.Version(3, 10))
		s := subscribe(t, b, "dead", 1)
		e := processor.Envelope{Properties: processor.Properties{Expiration: 20 * time.Millisecond}}
		to := processor.Destination{RoutingKey: "q"}
		require.NoError(t, b.Publisher().Publish(t.Context(), to, e))
		first := receive(t, s)
		require.NoError(t, first.Ack())

		time.Sleep(time.Hour)
		e.Headers, e.Expiration = first.Headers(), 30*time.Millisecond
		require.NoError(t, b.Publisher().Publish(t.Context(), to, e))
		second := receive(t, s)
		require.NoError(t, second.Ack())

		list, _ := first.Headers().List("x-death")
		death, _ := list[0].(processor.Headers)
		want := death.Clone()
		require.Equal(t, "20", want["original-expiration"])
		want["count"] = int64(2)
		require.Equal(t, []any{want}, second.Headers()["x-death"])
	})
}

// x-death as a sender wrote it, and as RabbitMQ 3.10.8 delivered it after the message
// expired on its way to the queue "back".
func TestXDeathOfASender(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	for name, tc := range map[string]struct {
		sent []any
		want string // "" is dropped
	}{
		"none":                            {[]any{}, "qx1"},
		"expired there":                   {[]any{h{"queue": "back", "reason": "expired", "count": int64(1)}}, ""},
		"rejected there":                  {[]any{h{"queue": "back", "reason": "rejected", "count": int64(1)}}, "qx1 backx1"},
		"expired there, then rejected":    {[]any{h{"queue": "x", "reason": "rejected", "count": int64(1)}, h{"queue": "back", "reason": "expired", "count": int64(1)}}, ""},
		"rejected, then expired there":    {[]any{h{"queue": "back", "reason": "expired", "count": int64(1)}, h{"queue": "x", "reason": "rejected", "count": int64(1)}}, "qx1 xx1 backx1"},
		"entries twice":                   {[]any{h{"queue": "x", "count": int64(1)}, h{"queue": "x", "count": int64(1)}, h{"queue": "y", "count": int64(1)}}, "qx1 yx1 xx1"},
		"no reason":                       {[]any{h{"queue": "x", "count": int64(1)}}, "qx1 xx1"},
		"an empty entry":                  {[]any{h{}}, "qx1 <nil>x<nil>"},
		"a queue that is a number":        {[]any{h{"queue": int64(1), "count": int64(1)}}, "qx1 1x1"},
		"our own, with the largest count": {[]any{h{"queue": "q", "reason": "expired", "count": int64(1<<63 - 1)}}, "qx9223372036854775807"},
		"our own, without a count":        {[]any{h{"queue": "q", "reason": "expired"}}, "qx1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := open(t, []broker.Queue{{Name: "back"}, {Name: "q", MessageTTL: time.Second, DeadLetter: toQueue("back")}}, memory.Version(3, 10))
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "q"},
					processor.Envelope{Headers: h{"x-death": tc.sent}}))
				time.Sleep(time.Minute)
				if tc.want == "" {
					require.Equal(t, 0, ready(t, b, "back"))
					return
				}
				require.Equal(t, tc.want, deaths(receive(t, subscribe(t, b, "back", 1))))
			})
		})
	}
}
