package rabbitmq_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/key"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// returns is more than the default delivery limit of quorum queues from RabbitMQ 4.0 on, which is
// 20.
const returns = 25

// givenBack is a quorum queue that allows any number of requeues. RabbitMQ 4.3 does not count what
// a consumer releases, so there the queue has the default limit. 4.0 counts it, and 3.10 has no
// limit unless it is set.
func givenBack(t *testing.T, b *rabbitmq.Broker) string {
	t.Helper()
	q := broker.Queue{Name: name(t), Type: broker.Quorum}
	if v := rabbitmqtest.Version(t); v.AtLeast(4, 0) && !v.AtLeast(4, 3) {
		q.DeliveryLimit = broker.HighDeliveryLimit
	}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}))
	return q.Name
}

func publishNumbers(t *testing.T, b *rabbitmq.Broker, queue string, n int) {
	t.Helper()
	bodies := make([]processor.Envelope, n)
	for i := range bodies {
		bodies[i] = text(strconv.Itoa(i))
	}
	p, ok := b.Publisher().(processor.BatchPublisher)
	require.True(t, ok)
	require.Empty(t, p.PublishBatch(within(t), to(queue), bodies))
}

// requireNumbers takes all messages of the queue and expects 0 to n-1 in their order.
func requireNumbers(t *testing.T, b *rabbitmq.Broker, queue string, n int) {
	t.Helper()
	sub := subscribe(t, b, queue, 10)
	for i := range n {
		msg := receive(t, sub)
		require.Equal(t, strconv.Itoa(i), string(msg.Body()))
		require.NoError(t, msg.Ack())
	}
	require.NoError(t, sub.Close(within(t)))
	ready(t, b, queue, 0)
}

// 5 of 5 messages were lost after 21 rounds on RabbitMQ 4.3.
func TestClosingASubscriptionUsesUpNoDeliveryLimit(t *testing.T) {
	t.Parallel()
	for name, received := range map[string]int{"nothing received": 0, "some received": 2, "all received": 5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, rabbitmqtest.Shared(t).URL())
			queue := givenBack(t, b)
			publishNumbers(t, b, queue, 5)
			for range returns {
				sub := subscribe(t, b, queue, 10)
				for range received {
					receive(t, sub)
				}
				require.NoError(t, sub.Close(within(t)))
			}
			requireNumbers(t, b, queue, 5)
		})
	}
}

func TestPausingASubscriptionUsesUpNoDeliveryLimit(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	queue := givenBack(t, b)
	publishNumbers(t, b, queue, 5)
	for range returns {
		sub := subscribe(t, b, queue, 10)
		receive(t, sub)
		<-sub.Pause()
		require.NoError(t, sub.Close(within(t)))
	}
	ready(t, b, queue, 5)
}

func TestClosingABrokerUsesUpNoDeliveryLimit(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := givenBack(t, b)
	publishNumbers(t, b, queue, 5)
	for range returns {
		other := open(t, url)
		receive(t, subscribe(t, other, queue, 10))
		stopped := subscribe(t, other, queue, 10)
		<-stopped.Pause()
		require.NoError(t, other.Close(within(t)))
	}
	ready(t, b, queue, 5)
}

// A subscription is closed at any moment, while messages are on their way to it and acks are on
// their way to the broker. The prefetch is always the same: a quorum queue redelivers messages in
// the order in which they were requeued, so a consumer with a smaller prefetch than the previous
// one takes the first of them, and requeues them behind the rest.
func TestClosingASubscriptionKeepsTheOrderAtAnyMoment(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]string{"quorum": "quorum", "classic": "classic"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, rabbitmqtest.Shared(t).URL())
			var queue string
			if kind == "quorum" {
				queue = givenBack(t, b)
			} else {
				queue = declareQueue(t, rabbitmqtest.Shared(t).URL(), amqp.Table{"x-queue-type": kind})
			}
			const n = 1000
			publishNumbers(t, b, queue, n)
			next := 0
			for range 60 {
				sub := subscribe(t, b, queue, 30)
				for range rand.IntN(20) {
					msg := receive(t, sub)
					require.Equal(t, strconv.Itoa(next), string(msg.Body()))
					require.NoError(t, msg.Ack())
					next++
				}
				require.NoError(t, sub.Close(within(t)))
			}
			sub := subscribe(t, b, queue, 30)
			for ; next < n; next++ {
				msg := receive(t, sub)
				require.Equal(t, strconv.Itoa(next), string(msg.Body()))
				require.NoError(t, msg.Ack())
			}
		})
	}
}

// 10 of 10 messages were lost by a breaker that opened and closed for 40 s.
func TestPausingUsesUpNoDeliveryLimit(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]consumer.Option{"in any order": nil, "in order": {consumer.OrderBy(key.RoutingKey)}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, rabbitmqtest.Shared(t).URL())
			queue := givenBack(t, b)
			publishNumbers(t, b, queue, 10)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := &helm{runs: make(chan stack.Run, 1)}
			paused, round := make(chan struct{}), 0
			var run stack.Run
			p, err := stack.New(func(next processor.Processor) processor.Processor {
				h.Processor = next
				return h
			}, ack.New()).ThenFunc(func(context.Context, processor.Message) error {
				if run == nil {
					run = <-h.runs
				}
				resume := run.Pause()
				if round++; round > returns {
					close(paused)
					return processor.Release(processor.ErrShutdown)
				}
				time.AfterFunc(10*time.Millisecond, resume)
				return processor.Release(processor.ErrShutdown)
			})
			require.NoError(t, err)
			ended := make(chan error, 1)
			go func() { ended <- must.Have(consumer.New(b.Source(queue), p, opts...)).Run(ctx) }()
			select {
			case <-paused:
			case <-withinTime(t, time.Minute).Done():
				t.Error("the messages are gone")
			}
			cancel()
			require.NoError(t, <-ended)
			ready(t, b, queue, 10)
		})
	}
}

// 10 of 10 messages were lost by 23 dry runs.
func TestADryRunUsesUpNoDeliveryLimit(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	queue := givenBack(t, b)
	const n = 150 // more than a page
	publishNumbers(t, b, queue, n)
	for range returns {
		ready(t, b, queue, n) // on a busy machine 3.10 takes longer to take them back than a subscription waits
		counts, err := replay.Run(within(t), b, queue, replay.To(to("elsewhere")), replay.DryRun())
		require.NoError(t, err)
		require.Equal(t, n, counts.Seen)
	}
	requireNumbers(t, b, queue, n)
}
