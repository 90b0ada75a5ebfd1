package delay_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
)

func TestTopologyOfALadder(t *testing.T) {
	t.Parallel()
	d := ladder(t, delay.Unit(time.Second), delay.Longest(7*time.Second))
	require.Equal(t, strings.TrimPrefix(`
exchange  warren.delay.v1.quorum.1s.2     headers  unroutable to exchange warren.delay.v1.quorum.1s.1
exchange  warren.delay.v1.quorum.1s.1     headers  unroutable to exchange warren.delay.v1.quorum.1s.0
exchange  warren.delay.v1.quorum.1s.0     headers  unroutable to exchange warren.delay.v1.quorum.1s.exit
exchange  warren.delay.v1.quorum.1s.exit  direct   unroutable to exchange warren.delay.v1.quorum.1s.lost
exchange  warren.delay.v1.quorum.1s.lost  fanout

queue     warren.delay.v1.quorum.1s.2     quorum  TTL 4s, dead letters to exchange warren.delay.v1.quorum.1s.1, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
queue     warren.delay.v1.quorum.1s.1     quorum  TTL 2s, dead letters to exchange warren.delay.v1.quorum.1s.0, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
queue     warren.delay.v1.quorum.1s.0     quorum  TTL 1s, dead letters to exchange warren.delay.v1.quorum.1s.exit, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
queue     warren.delay.v1.quorum.1s.lost  quorum  delivery limit never reached

binding   warren.delay.v1.quorum.1s.2     -> warren.delay.v1.quorum.1s.2     warren-delay-2=true, x-match="all"
binding   warren.delay.v1.quorum.1s.1     -> warren.delay.v1.quorum.1s.1     warren-delay-1=true, x-match="all"
binding   warren.delay.v1.quorum.1s.0     -> warren.delay.v1.quorum.1s.0     warren-delay-0=true, x-match="all"
binding   warren.delay.v1.quorum.1s.exit  -> mail                            key mail, the queue is not declared here
binding   warren.delay.v1.quorum.1s.lost  -> warren.delay.v1.quorum.1s.lost
binding   (default)                       -> each queue                      key: its name

owned     queues whose names begin with mail.delay.v1.
`, "\n"), plan.Of(d.Topology()).String())
	require.NoError(t, d.Topology().Validate())
	_, err := plan.Of(d.Topology()).Definitions("/")
	require.NoError(t, err)
}

func TestAClassicLadderHasNoQuorumArguments(t *testing.T) {
	t.Parallel()
	for _, q := range ladder(t, delay.Classic()).Topology().Queues {
		require.Equal(t, broker.Classic, q.Type)
		require.Empty(t, q.Arguments)
		require.Empty(t, q.Overflow)
	}
}

func TestABoundIsForTheLevelsAlone(t *testing.T) {
	t.Parallel()
	queues := ladder(t, delay.MaxLength(9), delay.Longest(time.Second)).Topology().Queues
	lost := len(queues) - 1
	require.Equal(t, broker.Queue{Name: "warren.delay.v1.quorum.100ms.max9.lost", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, queues[lost])
	for _, q := range queues[:lost] {
		require.Equal(t, 9, q.MaxLength, q.Name)
		require.Contains(t, q.Name, ".max9.")
	}
}

func TestNumberOfLevels(t *testing.T) {
	t.Parallel()
	const twelveDays = 12 * 24 * time.Hour
	for says, opts := range map[string][]delay.Option{
		"ladder of 24 levels, unit 100ms, quorum":                          nil,
		"ladder of 24 levels, unit 100ms, classic":                         {delay.Classic()},
		"ladder of 24 levels, unit 100ms, quorum, at most 9 messages each": {delay.MaxLength(9)},
		"ladder of 20 levels, unit 1s, quorum":                             {delay.Unit(time.Second)},
		"ladder of 27 levels, unit 10ms, quorum":                           {delay.Unit(10 * time.Millisecond), delay.Longest(twelveDays)},
		"ladder of 30 levels, unit 1ms, quorum":                            {delay.Unit(time.Millisecond)},
		"ladder of 1 levels, unit 1m, quorum":                              {delay.Unit(time.Minute), delay.Longest(time.Minute)},
		"ladder of 2 levels, unit 1m, quorum":                              {delay.Unit(time.Minute), delay.Longest(time.Minute + 1)},
		"ladder of 2 levels, unit 1h, quorum":                              {delay.Unit(time.Hour), delay.Longest(3 * time.Hour)},
		"ladder of 3 levels, unit 1h, quorum":                              {delay.Unit(time.Hour), delay.Longest(4 * time.Hour)},
	} {
		d := ladder(t, opts...)
		require.Equal(t, says, d.String())
		var levels int
		_, err := fmt.Sscanf(says, "ladder of %d levels", &levels)
		require.NoError(t, err)
		require.Len(t, d.Topology().Queues, levels+1)
	}
}

// A level is declared in the same way by every ladder.
func TestALongerLadderOnlyAddsLevels(t *testing.T) {
	t.Parallel()
	short, long := ladder(t, delay.Longest(time.Minute)).Topology(), ladder(t).Topology()
	merged, err := short.Extend(long)
	require.NoError(t, err)
	require.Len(t, merged.Queues, len(long.Queues))
	require.Len(t, merged.Exchanges, len(long.Exchanges))
	require.Len(t, merged.Bindings, len(long.Bindings))
	require.Less(t, len(short.Queues), len(long.Queues))
}

func TestOtherLaddersAreOthersByName(t *testing.T) {
	t.Parallel()
	var all broker.Topology
	for _, opts := range [][]delay.Option{
		nil, {delay.Classic()}, {delay.MaxLength(1)}, {delay.MaxLength(11)}, {delay.Unit(time.Second)},
		{delay.Unit(time.Second), delay.MaxLength(1)}, {delay.Unit(time.Second), delay.Classic()}, {delay.Unit(1100 * time.Millisecond)},
	} {
		next := ladder(t, opts...).Topology()
		merged, err := all.Extend(next)
		require.NoError(t, err)
		require.Len(t, merged.Queues, len(all.Queues)+len(next.Queues))
		all = merged
	}
}

func TestWhatALadderPublishes(t *testing.T) {
	t.Parallel()
	d := ladder(t, delay.Unit(10*time.Millisecond), delay.Longest(150*time.Millisecond))
	for asked, want := range map[time.Duration][]int{
		math.MinInt64:            nil,
		-1:                       nil,
		0:                        nil,
		1:                        {0},
		10 * time.Millisecond:    {0},
		10*time.Millisecond + 1:  {1},
		90 * time.Millisecond:    {3, 0},
		140 * time.Millisecond:   {3, 2, 1},
		140*time.Millisecond + 1: {3, 2, 1, 0},
		150 * time.Millisecond:   {3, 2, 1, 0},
	} {
		var pub processortest.Publisher
		require.NoError(t, d.Delay(t.Context(), &pub, text("m"), asked))
		publishing := processortest.Publishing{
			To:       processor.Destination{RoutingKey: "mail"},
			Envelope: processor.Envelope{Body: []byte("m"), Headers: processor.Headers{}},
		}
		for i, level := range want {
			if i == 0 {
				publishing.To.Exchange = fmt.Sprintf("warren.delay.v1.quorum.10ms.%d", level)
			}
			publishing.Envelope.Headers[fmt.Sprintf("warren-delay-%d", level)] = true
		}
		require.Equal(t, []processortest.Publishing{publishing}, pub.Published(), asked)
	}
	for _, asked := range []time.Duration{150*time.Millisecond + 1, math.MaxInt64} {
		var pub processortest.Publisher
		err := d.Delay(t.Context(), &pub, text("m"), asked)
		require.ErrorIs(t, err, delay.ErrTooLong)
		require.Equal(t, &delay.TooLongError{Asked: asked, Longest: 150 * time.Millisecond}, err)
		require.Empty(t, pub.Published())
	}
}

// onTime makes a trip and checks that it took the given delay, rounded up to units.
func onTime(r *rig, asked, unit time.Duration) {
	r.Helper()
	_, waited := r.trip(text("m"), asked)
	late := waited - asked
	require.GreaterOrEqual(r, late, time.Duration(0), "%v came early", asked)
	require.Less(r, late, unit, "%v came late", asked)
	require.Zero(r, waited%unit, asked)
}

func TestALadderIsExactToAUnit(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]delay.Option{"quorum": nil, "classic": {delay.Classic()}} {
		for _, unit := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprintf("%s, %v", name, unit), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t, ladder(t, append(opts, delay.Unit(unit))...), memory.OnDrop(func(d memory.Drop) {
						t.Errorf("dropped in %s: %s", d.Queue, d.Why)
					}))
					for d := time.Duration(0); d < 512*unit; d += unit {
						onTime(r, d, unit)
						onTime(r, d+1, unit)
					}
					random := rand.New(rand.NewPCG(1, 2))
					for range 200 {
						onTime(r, anyDelay(random, 12*24*time.Hour), unit)
					}
					onTime(r, 24*time.Hour, unit)
					onTime(r, 12*24*time.Hour, unit)
				})
			})
		}
	}
}

// anyDelay is random in its magnitude too.
func anyDelay(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(r.Int64N(int64(most))+1) + 1)
}

func TestADayTakesNoTimeInATest(t *testing.T) {
	t.Parallel()
	began := time.Now()
	synctest.Test(t, func(t *testing.T) {
		onTime(newRig(t, ladder(t)), 24*time.Hour, delay.DefaultUnit)
	})
	require.Less(t, time.Since(began), time.Second)
}

// Each trip begins with the headers of the one before it, as after a republish that strips
// nothing. RabbitMQ would drop it as a cycle at the second trip.
func TestOneMessageMakesManyTrips(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]delay.Delayer{
		"ladder": ladder(t, delay.Unit(time.Second)),
		"steps":  steps(t, []time.Duration{time.Second, 3 * time.Second, 511 * time.Second}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, d)
				e := text("m")
				for i := range 25 {
					want := []time.Duration{time.Second, 3 * time.Second, 511 * time.Second}[i%3] // 1, 2 and 9 hops
					m, waited := r.trip(e, want)
					require.Equal(t, want, waited)
					require.EqualValues(t, 1, d.Waits(m.Headers()), "each trip by itself")
					e = processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()}
				}
			})
		})
	}
}

func TestWhatFindsNoWorkQueueIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, ladder(t))
		gone, err := delay.Ladder()("gone", nil)
		require.NoError(t, err)
		for i := range 40 {
			require.NoError(t, gone.Delay(t.Context(), r.Publisher(), text("gone"), time.Duration(i+1)*delay.DefaultUnit))
		}
		onTime(r, 4*time.Second, delay.DefaultUnit) // beside them
		lost, err := r.Source("warren.delay.v1.quorum.100ms.lost").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		for range 40 {
			m, err := lost.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, "gone", m.Origin().RoutingKey)
			require.NoError(t, m.Ack())
		}
		require.NoError(t, lost.Close(t.Context()))
	})
}

func TestServicesShareALadder(t *testing.T) {
	t.Parallel()
	const services, messages = 8, 50
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { _ = b.Close(t.Context()) }()
		var wg sync.WaitGroup
		for i := range services {
			queue := fmt.Sprintf("service-%d", i)
			d, err := delay.Ladder(delay.Longest(time.Duration(i+1)*time.Hour))(queue, nil)
			require.NoError(t, err)
			work := broker.Topology{Queues: []broker.Queue{{Name: queue}}}
			require.NoError(t, b.Declare(t.Context(), work.Merge(d.Topology())))
			for range 4 {
				wg.Go(func() { send(t, b.Publisher(), d, queue, messages/2) })
			}
			wg.Go(func() { take(t, b, queue, 4*(messages/2)) })
		}
		wg.Wait()
	})
}

// send delays messages that contain their queue and the time when they are due.
func send(t *testing.T, p processor.Publisher, d delay.Delayer, queue string, messages int) {
	t.Helper()
	for i := range messages {
		wait := time.Duration(i*i) * delay.DefaultUnit / 2
		e := processor.Envelope{Headers: processor.Headers{
			"for": queue, "due": time.Now().Add(wait).UnixMilli(),
		}}
		if err := d.Delay(t.Context(), p, e, wait); err != nil {
			t.Error(err)
		}
	}
}

func take(t *testing.T, b broker.Broker, queue string, messages int) {
	t.Helper()
	sub, err := b.Source(queue).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 10})
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = sub.Close(context.WithoutCancel(t.Context())) }()
	for range messages {
		m, err := sub.Receive(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		due, _ := m.Headers().Int64("due")
		if m.Headers()["for"] != queue || time.Now().UnixMilli() < due || time.Now().UnixMilli() >= due+delay.DefaultUnit.Milliseconds() {
			t.Errorf("%v came to %s at %d", m.Headers(), queue, time.Now().UnixMilli())
		}
		if err := m.Ack(); err != nil {
			t.Error(err)
		}
	}
}
