package retry_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

const half = 30 * time.Second

// atLeastOnce is a quorum queue that dead-letters at least once.
func atLeastOnce(name string, ttl time.Duration) broker.Queue {
	return broker.Queue{
		Name: name, Type: broker.Quorum, MessageTTL: ttl, Overflow: broker.RejectPublish,
		DeadLetter:    &broker.DeadLetter{RoutingKey: work},
		DeliveryLimit: broker.HighDeliveryLimit,
		Arguments:     processor.Headers{"x-dead-letter-strategy": "at-least-once"},
	}
}

// keeps is a quorum work queue that never drops a message.
func keeps(q broker.Queue) broker.Queue { q.DeliveryLimit = broker.HighDeliveryLimit; return q }

// parks is a quorum work queue that dead-letters to the parked queue.
func parks(q broker.Queue, limit int) broker.Queue {
	q.DeliveryLimit, q.DeadLetter, q.Overflow = limit, &broker.DeadLetter{RoutingKey: parked}, broker.RejectPublish
	q.Arguments = processor.Headers{"x-dead-letter-strategy": "at-least-once"}
	return q
}

func classic(name string, ttl time.Duration) broker.Queue {
	return broker.Queue{Name: name, Type: broker.Classic, MessageTTL: ttl, DeadLetter: &broker.DeadLetter{RoutingKey: work}}
}

func TestTopology(t *testing.T) {
	t.Parallel()
	back := &broker.DeadLetter{RoutingKey: work}
	delays := retry.Delays(half, 3*time.Minute)
	for name, tc := range map[string]struct {
		work    broker.Queue
		pattern string
		opts    []retry.Option
		want    broker.Topology
	}{
		"the broker's own type": {
			broker.Queue{Name: work}, "mail_retry_%attempt%", []retry.Option{delays, retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work},
				{Name: "mail_retry_1", MessageTTL: half, DeadLetter: back},
				{Name: "mail_retry_2", MessageTTL: 3 * time.Minute, DeadLetter: back},
				{Name: parked},
			}, Owned: []string{"mail_retry_"}},
		},
		"quorum, by delay, on an exchange": {
			broker.Queue{Name: work, Type: broker.Quorum, MaxLength: 10}, "r.%attempt%.%delay%",
			[]retry.Option{delays, retry.ParkKey(parked), retry.Exchange("retry")},
			broker.Topology{
				Exchanges: []broker.Exchange{{Name: "retry", Kind: broker.Direct}},
				Queues: []broker.Queue{
					keeps(broker.Queue{Name: work, Type: broker.Quorum, MaxLength: 10}),
					atLeastOnce("r.1.30s", half), atLeastOnce("r.2.3m", 3*time.Minute),
					keeps(broker.Queue{Name: parked, Type: broker.Quorum}),
				},
				Bindings: []broker.Binding{
					{Exchange: "retry", Queue: "r.1.30s", RoutingKey: "r.1.30s"},
					{Exchange: "retry", Queue: "r.2.3m", RoutingKey: "r.2.3m"},
					{Exchange: "retry", Queue: parked, RoutingKey: parked},
				},
				Owned: []string{"r."},
			},
		},
		"the last delay repeats": {
			broker.Queue{Name: work, Type: broker.Classic}, "r_%attempts%", []retry.Option{delays, retry.Retries(3)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work, Type: broker.Classic}, classic("r_1", half), classic("r_2", 3*time.Minute), classic("r_3", 3*time.Minute),
			}, Owned: []string{"r_"}},
		},
		"and its queue is shared": {
			broker.Queue{Name: work, Type: broker.Classic}, "r_%delay%", []retry.Option{delays, retry.Retries(1_000_000_000)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work, Type: broker.Classic}, classic("r_30s", half), classic("r_3m", 3*time.Minute),
			}, Owned: []string{"r_"}},
		},
		"delays that come again": {
			broker.Queue{Name: work, Type: broker.Classic}, "r_%delay%", []retry.Option{retry.Delays(half, time.Hour, half)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work, Type: broker.Classic}, classic("r_30s", half), classic("r_1h", time.Hour),
			}, Owned: []string{"r_"}},
		},
		"fewer attempts than delays": {
			broker.Queue{Name: work, Type: broker.Classic}, "r_%attempt%", []retry.Option{retry.Retries(1), delays},
			broker.Topology{Queues: []broker.Queue{{Name: work, Type: broker.Classic}, classic("r_1", half)}, Owned: []string{"r_"}},
		},
		"one key, one delay": {
			broker.Queue{Name: work, Type: broker.Classic}, "mail_retry", []retry.Option{retry.Delays(half), retry.Retries(5)},
			broker.Topology{Queues: []broker.Queue{{Name: work, Type: broker.Classic}, classic("mail_retry", half)}},
		},
		"no retries": {
			broker.Queue{Name: work}, "", []retry.Option{retry.Retries(0), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{{Name: work}, {Name: parked}}},
		},
		"another type, and bounded": {
			broker.Queue{Name: work}, "r_%attempt%",
			[]retry.Option{retry.Delays(half), retry.QueueType(broker.Classic), retry.MaxLength(7), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work},
				{
					Name: "r_1", Type: broker.Classic, MessageTTL: half, DeadLetter: back,
					MaxLength: 7, Overflow: broker.RejectPublish,
				},
				{Name: parked, Type: broker.Classic},
			}, Owned: []string{"r_"}},
		},
		"the type as an argument": {
			broker.Queue{Name: work, Arguments: processor.Headers{"x-queue-type": "quorum"}}, "r_%attempt%", []retry.Option{retry.Delays(half)},
			broker.Topology{Queues: []broker.Queue{
				keeps(broker.Queue{Name: work, Arguments: processor.Headers{"x-queue-type": "quorum"}}), atLeastOnce("r_1", half),
			}, Owned: []string{"r_"}},
		},
		"refuses when full, but is never full": {
			broker.Queue{Name: work, Type: broker.Quorum, Overflow: broker.RejectPublish}, "r_%attempt%", []retry.Option{retry.Delays(half)},
			broker.Topology{Queues: []broker.Queue{
				keeps(broker.Queue{Name: work, Type: broker.Quorum, Overflow: broker.RejectPublish}), atLeastOnce("r_1", half),
			}, Owned: []string{"r_"}},
		},
		"quorum, parked": {
			broker.Queue{Name: work, Type: broker.Quorum}, "r_%attempt%", []retry.Option{retry.Delays(half), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				parks(broker.Queue{Name: work, Type: broker.Quorum}, delay.DeliveryLimit), atLeastOnce("r_1", half), keeps(broker.Queue{Name: parked, Type: broker.Quorum}),
			}, Owned: []string{"r_"}},
		},
		"quorum, parked, with a limit of its own": {
			broker.Queue{Name: work, Type: broker.Quorum, DeliveryLimit: 5}, "r_%attempt%", []retry.Option{retry.Delays(half), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				parks(broker.Queue{Name: work, Type: broker.Quorum}, 5), atLeastOnce("r_1", half), keeps(broker.Queue{Name: parked, Type: broker.Quorum}),
			}, Owned: []string{"r_"}},
		},
		"quorum, with dead letters of its own": {
			broker.Queue{Name: work, Type: broker.Quorum, DeadLetter: &broker.DeadLetter{Exchange: "dead"}}, "r_%attempt%", []retry.Option{retry.Delays(half), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work, Type: broker.Quorum, DeadLetter: &broker.DeadLetter{Exchange: "dead"}}, atLeastOnce("r_1", half), keeps(broker.Queue{Name: parked, Type: broker.Quorum}),
			}, Owned: []string{"r_"}},
		},
		"dead-letters to the final queue": {
			broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{RoutingKey: parked}}, "mail_retry",
			[]retry.Option{retry.Delays(half), retry.ParkKey(parked)},
			broker.Topology{Queues: []broker.Queue{
				{Name: work, DeadLetter: &broker.DeadLetter{RoutingKey: parked}},
				{Name: "mail_retry", MessageTTL: half, DeadLetter: back}, {Name: parked},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := retry.Topology(tc.work, tc.pattern, tc.opts...)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// A name with that prefix is no leftover, whatever an earlier schedule was.
func TestNoNamesAreOwnedThatOthersBeginWith(t *testing.T) {
	t.Parallel()
	for pattern, final := range map[string]string{
		"%attempt%":            "dead",
		"ma%attempt%":          "dead",
		"mail%delay%":          "dead",
		"mail_%attempt%":       "mail_parked",
		"mail_retry_%attempt%": "mail_retry_parked",
	} {
		got, err := retry.Topology(broker.Queue{Name: work}, pattern, retry.Delays(half), retry.ParkKey(final))
		require.NoError(t, err)
		require.Empty(t, got.Owned, pattern)
	}
}

func TestWhatATopologyWouldLose(t *testing.T) {
	t.Parallel()
	delays := retry.Delays(half, time.Minute)
	byFunction := retry.Keys(func(int, processor.Message) string { return "" })
	for name, tc := range map[string]struct {
		work    broker.Queue
		pattern string
		opts    []retry.Option
		says    string
	}{
		"no name":                      {broker.Queue{}, "r_%attempt%", []retry.Option{delays}, "the work queue has no name"},
		"no delays":                    {broker.Queue{Name: work}, "r_%attempt%", nil, "set Delays"},
		"a nil option":                 {broker.Queue{Name: work}, "r_%attempt%", []retry.Option{nil}, "option 1 is nil"},
		"keys by a function":           {broker.Queue{Name: work}, "", []retry.Option{byFunction}, "declare their queues by hand"},
		"parked where it is taken":     {broker.Queue{Name: work}, "r_%attempt%", []retry.Option{delays, retry.ParkKey(work)}, `park key "mail" is the work queue`},
		"the same, without retries":    {broker.Queue{Name: work}, "", []retry.Option{retry.Retries(0), retry.ParkKey(work)}, `park key "mail" is the work queue`},
		"retried where it is taken":    {broker.Queue{Name: "r_2"}, "r_%attempt%", []retry.Option{delays}, `the work queue "r_2" is also the queue of a retry`},
		"parked where it is retried":   {broker.Queue{Name: work}, "r_%attempt%", []retry.Option{delays, retry.ParkKey("r_2")}, "also the key of retry 2"},
		"rejected into a retry":        {broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{RoutingKey: "r_2"}}, "r_%attempt%", []retry.Option{delays}, `dead-letters into the retry queue "r_2"`},
		"the same, by its exchange":    {broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{Exchange: "x", RoutingKey: "r_1"}}, "r_%attempt%", []retry.Option{delays, retry.Exchange("x")}, `dead-letters into the retry queue "r_1"`},
		"the same, past it":            {broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{RoutingKey: "r_1"}}, "r_%attempt%", []retry.Option{delays, retry.Exchange("x")}, `dead-letters into the retry queue "r_1"`},
		"the same, as an argument":     {broker.Queue{Name: work, Arguments: processor.Headers{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "r_1"}}, "r_%attempt%", []retry.Option{delays}, `dead-letters into the retry queue "r_1"`},
		"a full quorum work queue":     {broker.Queue{Name: work, Type: broker.Quorum, MaxLength: 1, Overflow: broker.RejectPublish}, "r_%attempt%", []retry.Option{delays}, "refuses messages when it is full"},
		"a full classic work queue":    {broker.Queue{Name: work, Arguments: processor.Headers{"x-max-length-bytes": int64(1), "x-overflow": "reject-publish-dlx"}}, "r_%attempt%", []retry.Option{delays}, "refuses messages when it is full (overflow reject-publish-dlx)"},
		"a quorum queue behind others": {broker.Queue{Name: work, Type: broker.Quorum}, "r_%attempt%", []retry.Option{delays, retry.QueueType(broker.Classic)}, "use quorum delays"},
		"gone with its last consumer":  {broker.Queue{Name: work, AutoDelete: true}, "r_%attempt%", []retry.Option{delays}, `the work queue "mail" goes with its last consumer`},
		"gone with its connection":     {broker.Queue{Name: work, Exclusive: true}, "r_%attempt%", []retry.Option{delays}, "leave out Exclusive"},
		"gone when it is unused":       {broker.Queue{Name: work, Type: broker.Quorum, Expires: 24 * time.Hour}, "r_%attempt%", []retry.Option{delays}, "leave out Expires"},
		"the same, by an argument":     {broker.Queue{Name: work, Arguments: processor.Headers{"x-expires": int32(60_000)}}, "r_%attempt%", []retry.Option{delays}, "leave out Expires (x-expires)"},
		"more queues than a thousand":  {broker.Queue{Name: work}, "r_%attempt%", []retry.Option{delays, retry.Retries(1001)}, "1001 retries would have a queue each"},
		"a name of the broker's":       {broker.Queue{Name: work}, "amq.%attempt%", []retry.Option{delays}, "retry: broker: "},
		"a delay of centuries":         {broker.Queue{Name: work}, "r_%attempt%", []retry.Option{retry.Delays(100 * 365 * 24 * time.Hour)}, "over ten years"},
		"a limit, and no place":        {broker.Queue{Name: work, Type: broker.Quorum, DeliveryLimit: 5}, "r_%attempt%", []retry.Option{delays}, "nowhere to put what is over it"},
		"a limit, parked with others":  {broker.Queue{Name: work, Type: broker.Quorum, DeliveryLimit: 5, MessageTTL: half}, "r_%attempt%", []retry.Option{delays, retry.ParkKey(parked)}, "it would get what expires as well"},
		"a limit that leads back":      {broker.Queue{Name: work, Type: broker.Quorum, DeadLetter: &broker.DeadLetter{RoutingKey: work}}, "r_%attempt%", []retry.Option{delays}, "mail (delivery limit 20, by default) -> mail"},
		"a stream":                     {broker.Queue{Name: work, Arguments: processor.Headers{"x-queue-type": "stream"}}, "r_%attempt%", []retry.Option{delays}, "neither classic nor quorum"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := retry.Topology(tc.work, tc.pattern, tc.opts...)
			require.ErrorContains(t, err, tc.says)
			require.ErrorContains(t, err, "retry: ")
			require.Zero(t, got)
		})
	}
	_, err := retry.Topology(
		broker.Queue{Name: work, DeadLetter: &broker.DeadLetter{Exchange: "elsewhere", RoutingKey: "r_1"}}, "r_%attempt%", delays)
	require.NoError(t, err, "the same key of another exchange")
}

// The same options make the keys and the queues: a message that never succeeds has all of its
// delays, and is parked.
func TestAScheduleOnItsOwnTopology(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"mail_retry_%attempt%", "mail_retry_%delay%", "mail_retry_%attempt%_%delay%"} {
		for _, exchange := range []string{"", "retry"} {
			for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
				t.Run(fmt.Sprint(pattern, exchange, kind), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						opts := []retry.Option{
							retry.Delays(half, 90*time.Minute, half), retry.Retries(4), retry.ParkKey(parked), retry.Exchange(exchange),
						}
						b := memory.New()
						defer func() { require.NoError(t, b.Close(t.Context())) }()
						topology, err := retry.Topology(broker.Queue{Name: work, Type: kind}, pattern, opts...)
						require.NoError(t, err)
						require.NoError(t, b.Declare(t.Context(), topology))

						var at []time.Duration
						start := time.Now()
						p, err := stack.New(ack.New(), retry.New(b.Publisher(), pattern, opts...)).
							ThenFunc(func(_ context.Context, msg processor.Message) error {
								at = append(at, time.Since(start))
								require.Equal(t, processor.Origin{
									Queue: work, RoutingKey: work, Redelivered: msg.Origin().Redelivered,
								}, retry.FirstOrigin(msg))
								return errMail
							})
						require.NoError(t, err)
						require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{}))
						sub, err := b.Source(work).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
						require.NoError(t, err)
						for range 5 {
							msg, err := sub.Receive(t.Context())
							require.NoError(t, err)
							require.NoError(t, p.Process(t.Context(), msg))
						}
						require.Equal(t, []time.Duration{0, half, 90*time.Minute + half, 90*time.Minute + 2*half, 90*time.Minute + 3*half}, at)
						n, err := b.Ready(t.Context(), parked)
						require.NoError(t, err)
						require.Equal(t, 1, n)
					})
				})
			}
		}
	}
}

func TestHowADelayIsWrittenInAKey(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Millisecond:                "1ms",
		250 * time.Millisecond:          "250ms",
		half:                            "30s",
		1500 * time.Millisecond:         "1s500ms",
		3 * time.Minute:                 "3m",
		90 * time.Second:                "1m30s",
		90 * time.Minute:                "1h30m",
		time.Hour + 5*time.Second:       "1h5s",
		14 * 24 * time.Hour:             "336h",
		10*time.Hour + time.Millisecond: "10h1ms",
	} {
		got, err := retry.Topology(broker.Queue{Name: work}, "%delay%", retry.Delays(d))
		require.NoError(t, err)
		require.Equal(t, want, got.Queues[1].Name)
		parsed, err := time.ParseDuration(want)
		require.NoError(t, err)
		require.Equal(t, d, parsed, "as Go reads it")
	}
}
