package delay_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/plan"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// patience bounds every wait on a real node.
const patience = 30 * time.Second

// tick is RabbitMQ's unit of time: a delay of 1 ms that begins late within one ends
// with the next, and was seen to take 0.95 ms.
const tick = time.Millisecond

func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// connect opens a broker on a node.
func connect(tb testing.TB, node *rabbitmqtest.Node) *rabbitmq.Broker {
	tb.Helper()
	b, err := rabbitmq.Open(within(tb), []string{node.URL()}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Close(ctx)
	})
	return b
}

// ready makes the strategy of a work queue, and declares both.
func ready(tb testing.TB, b broker.Broker, strategy delay.Strategy, work broker.Queue, all ...time.Duration) delay.Delayer {
	tb.Helper()
	d, err := strategy(work.Name, all)
	require.NoError(tb, err)
	require.NoError(tb, b.Declare(within(tb), broker.Topology{Queues: []broker.Queue{work}}.Merge(d.Topology())))
	return d
}

func subscribe(tb testing.TB, b broker.Broker, queue string) broker.Subscription {
	tb.Helper()
	sub, err := b.Source(queue).Subscribe(within(tb), broker.SubscribeOptions{Prefetch: 100})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = sub.Close(ctx)
	})
	return sub
}

func receive(tb testing.TB, sub broker.Subscription) processor.Message {
	tb.Helper()
	m, err := sub.Receive(within(tb))
	require.NoError(tb, err)
	require.NoError(tb, m.Ack())
	return m
}

// Each trip begins with the headers from the end of the one before.
func TestTripsOnRabbitMQ(t *testing.T) {
	t.Parallel()
	unit, longest := delay.Unit(time.Millisecond), delay.Longest(time.Second)
	const one, two, nine = time.Millisecond, 3 * time.Millisecond, 511 * time.Millisecond
	hops := []time.Duration{one, two, two, nine, one}
	fixed := []time.Duration{time.Millisecond, 30 * time.Millisecond}
	for name, tc := range map[string]struct {
		strategy delay.Strategy
		delays   []time.Duration
	}{
		"ladder, quorum":  {delay.Ladder(unit, longest), hops},
		"ladder, classic": {delay.Ladder(unit, longest, delay.Classic()), hops},
		"steps, quorum":   {delay.Steps(), fixed},
		"steps, classic":  {delay.Steps(delay.Classic()), fixed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := connect(t, rabbitmqtest.Shared(t))
			work := broker.Queue{Name: "trips by " + name, Type: broker.Quorum}
			d := ready(t, b, tc.strategy, work, tc.delays...)
			sub := subscribe(t, b, work.Name)
			e := text("m")
			for i := range 25 {
				asked := tc.delays[i%len(tc.delays)]
				start := time.Now()
				require.NoError(t, d.Delay(within(t), b.Publisher(), e, asked))
				m := receive(t, sub)
				require.Greater(t, time.Since(start), asked-tick, "it came early")
				require.EqualValues(t, 1, d.Waits(m.Headers()))
				require.Equal(t, work.Name, m.Origin().RoutingKey)
				e = processor.Envelope{Body: m.Body(), Headers: m.Headers(), Properties: m.Properties()}
			}
		})
	}
}

func TestMixedDelaysInFlightOnRabbitMQ(t *testing.T) {
	t.Parallel()
	const messages, senders = 300, 10
	unit, longest := delay.Unit(10*time.Millisecond), delay.Longest(2*time.Second)
	for name, strategy := range map[string]delay.Strategy{
		"quorum":  delay.Ladder(unit, longest),
		"classic": delay.Ladder(unit, longest, delay.Classic()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := connect(t, rabbitmqtest.Shared(t))
			work := broker.Queue{Name: "mixed by " + name, Type: broker.Quorum}
			d := ready(t, b, strategy, work)
			var due [messages]time.Time
			var wg sync.WaitGroup
			for sender := range senders {
				wg.Go(func() {
					for i := sender; i < messages; i += senders {
						wait := rand.N(1500 * time.Millisecond)
						due[i] = time.Now().Add(wait)
						e := processor.Envelope{Headers: processor.Headers{"n": i}}
						if err := d.Delay(t.Context(), b.Publisher(), e, wait); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			sub := subscribe(t, b, work.Name)
			seen := map[int64]bool{}
			for range messages {
				m := receive(t, sub)
				n, _ := m.Headers().Int64("n")
				require.True(t, time.Now().After(due[n].Add(-tick)), "it came early")
				require.False(t, seen[n], "it came twice")
				seen[n] = true
			}
		})
	}
}

// A service whose queue is gone holds up no other, and finds its messages again.
func TestAMissingWorkQueueOnRabbitMQ(t *testing.T) {
	t.Parallel()
	const messages = 40 // 32 stuck ones stop a quorum queue
	unit, longest := delay.Unit(5*time.Millisecond), delay.Longest(time.Second)
	for kind, strategy := range map[string]delay.Strategy{
		"quorum":  delay.Ladder(unit, longest),
		"classic": delay.Ladder(unit, longest, delay.Classic()),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := connect(t, rabbitmqtest.Shared(t))
			work := broker.Queue{Name: "beside the missing, " + kind, Type: broker.Quorum}
			d := ready(t, b, strategy, work)
			gone, err := strategy("missing, "+kind, nil)
			require.NoError(t, err)
			for i := range messages {
				wait := time.Duration(i%7+1) * 5 * time.Millisecond
				require.NoError(t, gone.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), wait))
				require.NoError(t, d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), wait))
			}
			for queue, key := range map[string]string{
				"warren.delay.v1." + kind + ".5ms.lost": "missing, " + kind,
				work.Name:                               work.Name,
			} {
				sub, seen := subscribe(t, b, queue), map[string]bool{}
				for range messages {
					m := receive(t, sub)
					require.Equal(t, key, m.Origin().RoutingKey)
					require.False(t, seen[string(m.Body())], "it came twice")
					seen[string(m.Body())] = true
				}
			}
		})
	}
}

// A file of definitions declares the same as Declare, and works.
func TestDefinitionsOfDelaysOnRabbitMQ(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b := connect(t, node)
	const queue = "imported"
	work := broker.Topology{Queues: []broker.Queue{{Name: queue, Type: broker.Quorum}}}
	var all []delay.Delayer
	for _, strategy := range []delay.Strategy{
		delay.Ladder(delay.Unit(2*time.Millisecond), delay.Longest(time.Second), delay.MaxLength(100)), delay.Steps(),
	} {
		d, err := strategy(queue, []time.Duration{10 * time.Millisecond})
		require.NoError(t, err)
		all = append(all, d)
		work = work.Merge(d.Topology())
	}
	definitions, err := plan.Of(work).Definitions("/")
	require.NoError(t, err)
	node.ImportDefinitions(t, definitions)
	require.NoError(t, b.Declare(within(t), work))
	sub := subscribe(t, b, queue)
	for i, d := range all {
		require.NoError(t, d.Delay(within(t), b.Publisher(), text(strconv.Itoa(i)), 10*time.Millisecond))
		require.Equal(t, strconv.Itoa(i), string(receive(t, sub).Body()))
	}
}

// RabbitMQ once could not wait for longer than 49 days.
func TestALongDelayWaitsOnRabbitMQ(t *testing.T) {
	t.Parallel()
	const longest = 87600 * time.Hour
	b := connect(t, rabbitmqtest.Shared(t))
	for name, strategy := range map[string]delay.Strategy{
		"steps, quorum":   delay.Steps(),
		"steps, classic":  delay.Steps(delay.Classic()),
		"ladder, quorum":  delay.Ladder(delay.Unit(time.Hour), delay.Longest(longest)),
		"ladder, classic": delay.Ladder(delay.Unit(time.Hour), delay.Longest(longest), delay.Classic()),
	} {
		work := broker.Queue{Name: "waits long by " + name, Type: broker.Quorum}
		d := ready(t, b, strategy, work, longest)
		top := d.Topology().Queues[0].Name
		before, err := b.Ready(within(t), top)
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, d.Delay(within(t), b.Publisher(), text("m"), longest))
		}
		require.Eventually(t, func() bool {
			n, err := b.Ready(within(t), top)
			return err == nil && n == before+3
		}, patience, 20*time.Millisecond, top)
		n, err := b.Ready(within(t), work.Name)
		require.NoError(t, err)
		require.Zero(t, n, fmt.Sprint("it came at once by ", name))
	}
}
