package delay_test

import (
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func TestNamesOfSteps(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		time.Nanosecond:                       "1ms",
		time.Millisecond:                      "1ms",
		time.Millisecond + 1:                  "2ms",
		1500 * time.Millisecond:               "1.5s",
		30 * time.Second:                      "30s",
		time.Minute:                           "1m",
		10 * time.Minute:                      "10m",
		90 * time.Second:                      "1m30s",
		time.Hour:                             "1h",
		100 * time.Hour:                       "100h",
		time.Hour + time.Minute:               "1h1m",
		time.Hour + 10*time.Minute:            "1h10m",
		time.Hour + time.Second:               "1h0m1s",
		time.Hour + 10*time.Second:            "1h0m10s",
		24*time.Hour + 500*time.Millisecond:   "24h0m0.5s",
		10 * 365 * 24 * time.Hour:             "87600h",
		20*time.Minute - time.Millisecond + 1: "20m",
	} {
		for name, opts := range map[string][]delay.Option{
			"mail.delay.v1.quorum." + want:              nil,
			"mail.delay.v1.quorum." + want + ".max1000": {delay.MaxLength(1000)},
			"mail.delay.v1.classic." + want:             {delay.Classic(), delay.MaxLength(0)},
			"mail.delay.v1.classic." + want + ".max7":   {delay.MaxLength(7), delay.Classic()},
		} {
			topology := steps(t, []time.Duration{d}, opts...).Topology()
			require.NoError(t, topology.Validate())
			require.Len(t, topology.Queues, 1)
			require.Equal(t, name, topology.Queues[0].Name)
		}
	}
}

func TestTopologyOfSteps(t *testing.T) {
	t.Parallel()
	all := []time.Duration{5 * time.Second, time.Second, 0, -1, 2 * time.Second, time.Second, 2*time.Second - 1}
	for name, tc := range map[string]struct {
		opts  []delay.Option
		says  string
		names [3]string
		rest  broker.Queue
	}{
		"quorum": {
			nil, "steps 1s 2s 5s, quorum",
			[3]string{"quorum.1s", "quorum.2s", "quorum.5s"},
			broker.Queue{Type: broker.Quorum, Overflow: broker.RejectPublish, Arguments: atLeastOnce()},
		},
		"quorum, bounded": {
			[]delay.Option{delay.MaxLength(9)}, "steps 1s 2s 5s, quorum, at most 9 messages each",
			[3]string{"quorum.1s.max9", "quorum.2s.max9", "quorum.5s.max9"},
			broker.Queue{Type: broker.Quorum, Overflow: broker.RejectPublish, MaxLength: 9, Arguments: atLeastOnce()},
		},
		"classic": {
			[]delay.Option{delay.Classic()}, "steps 1s 2s 5s, classic",
			[3]string{"classic.1s", "classic.2s", "classic.5s"},
			broker.Queue{Type: broker.Classic},
		},
		"classic, bounded": {
			[]delay.Option{delay.Classic(), delay.MaxLength(9)}, "steps 1s 2s 5s, classic, at most 9 messages each",
			[3]string{"classic.1s.max9", "classic.2s.max9", "classic.5s.max9"},
			broker.Queue{Type: broker.Classic, Overflow: broker.RejectPublish, MaxLength: 9},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := broker.Topology{Owned: []string{"mail.delay.v1."}}
			for i, d := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second} {
				q := tc.rest
				q.Name = "mail.delay.v1." + tc.names[i]
				q.MessageTTL = d
				q.DeadLetter = &broker.DeadLetter{RoutingKey: "mail"}
				if q.Type == broker.Quorum {
					q.DeliveryLimit = broker.HighDeliveryLimit
				}
				want.Queues = append(want.Queues, q)
			}
			d := steps(t, all, tc.opts...)
			require.Equal(t, want, d.Topology())
			require.Equal(t, tc.says, d.String())
		})
	}
	none := steps(t, []time.Duration{0, -time.Second})
	require.Empty(t, none.Topology().Queues)
	require.Equal(t, "steps none, quorum", none.String())
}

func atLeastOnce() processor.Headers {
	return processor.Headers{"x-dead-letter-strategy": "at-least-once"}
}

// The caller may change the slice of the schedule afterwards.
func TestStepsKeepTheirDelays(t *testing.T) {
	t.Parallel()
	all := []time.Duration{2 * time.Second, time.Second}
	d := steps(t, all)
	require.Equal(t, []time.Duration{2 * time.Second, time.Second}, all)
	all[0], all[1] = time.Hour, time.Hour
	require.Equal(t, "steps 1s 2s, quorum", d.String())
}

func TestADelayTakesTheShortestStepThatIsLongEnough(t *testing.T) {
	t.Parallel()
	d := steps(t, []time.Duration{5 * time.Second, time.Second, 1500 * time.Microsecond})
	for asked, want := range map[time.Duration]string{
		math.MinInt64:           "mail",
		-1:                      "mail",
		0:                       "mail",
		1:                       "mail.delay.v1.quorum.2ms",
		1500 * time.Microsecond: "mail.delay.v1.quorum.2ms",
		2 * time.Millisecond:    "mail.delay.v1.quorum.2ms",
		2*time.Millisecond + 1:  "mail.delay.v1.quorum.1s",
		time.Second:             "mail.delay.v1.quorum.1s",
		time.Second + 1:         "mail.delay.v1.quorum.5s",
		5 * time.Second:         "mail.delay.v1.quorum.5s",
		5*time.Second + 1:       "",
		math.MaxInt64:           "",
	} {
		var pub processortest.Publisher
		err := d.Delay(t.Context(), &pub, text("m"), asked)
		if want == "" {
			var tooLong *delay.TooLongError
			require.ErrorAs(t, err, &tooLong)
			require.Equal(t, delay.TooLongError{Asked: asked, Longest: 5 * time.Second}, *tooLong)
			require.Empty(t, pub.Published())
			continue
		}
		require.NoError(t, err)
		require.Equal(t, []processortest.Publishing{{
			To:       processor.Destination{RoutingKey: want},
			Envelope: processor.Envelope{Body: []byte("m"), Headers: processor.Headers{}},
		}}, pub.Published())
	}
}

func TestStepsOfNoDelayHaveNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, steps(t, []time.Duration{0}))
	err := r.delayer.Delay(t.Context(), r.Publisher(), text("m"), time.Millisecond)
	var tooLong *delay.TooLongError
	require.ErrorAs(t, err, &tooLong)
	require.Zero(t, tooLong.Longest)
	r.trip(text("m"), 0)
}

func TestStepsAreExact(t *testing.T) {
	t.Parallel()
	all := []time.Duration{time.Millisecond, time.Second, time.Minute, 90 * time.Minute, 24 * time.Hour, 12 * 24 * time.Hour}
	for name, opts := range map[string][]delay.Option{"quorum": nil, "classic": {delay.Classic()}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, steps(t, all, opts...))
				for _, d := range slices.Concat(all, all) {
					_, waited := r.trip(text("m"), d)
					require.Equal(t, d, waited)
				}
				_, waited := r.trip(text("m"), time.Second+1)
				require.Equal(t, time.Minute, waited)
			})
			require.Less(t, time.Since(began), time.Second)
		})
	}
}

// Another schedule is declared beside the first: no mismatch, and waiting messages come.
func TestAChangedScheduleLeavesWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, steps(t, []time.Duration{time.Minute, time.Hour}))
		r.delay(text("old"), time.Hour)
		for _, opts := range [][]delay.Option{nil, {delay.Classic()}, {delay.MaxLength(1)}, {delay.MaxLength(2)}, {delay.Classic(), delay.MaxLength(2)}} {
			r.delayer = steps(t, []time.Duration{time.Hour, 2 * time.Hour}, opts...)
			require.NoError(t, r.Declare(t.Context(), r.delayer.Topology()))
			r.delay(text("new"), 2*time.Hour)
		}
		require.Equal(t, "old", string(r.next().Body()))
		for range 5 {
			require.Equal(t, "new", string(r.next().Body()))
		}
	})
}

func TestAFullStepRefuses(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]delay.Option{
		"quorum":  {delay.MaxLength(1)},
		"classic": {delay.MaxLength(1), delay.Classic()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, steps(t, []time.Duration{time.Second}, opts...))
				r.delay(text("1"), time.Second)
				require.ErrorIs(t, r.delayer.Delay(t.Context(), r.Publisher(), text("2"), time.Second), processor.ErrRefused)
				require.Equal(t, "1", string(r.next().Body()))
				r.delay(text("2"), time.Second)
				require.Equal(t, "2", string(r.next().Body()))
			})
		})
	}
}

func TestStepsWaitForTheirWorkQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { _ = b.Close(t.Context()) }()
		d := steps(t, []time.Duration{time.Second})
		require.NoError(t, b.Declare(t.Context(), d.Topology()))
		require.NoError(t, d.Delay(t.Context(), b.Publisher(), text("m"), time.Second))
		time.Sleep(time.Hour)
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
		sub, err := b.Source("mail").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		m, err := sub.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, m.Ack())
		require.NoError(t, sub.Close(t.Context()))
	})
}
