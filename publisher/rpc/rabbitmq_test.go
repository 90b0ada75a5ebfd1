package rpc_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

// opened is a connection to a node that ends with the test.
func opened(t *testing.T, node *rabbitmqtest.Node) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), []string{node.URL()}, rabbitmq.Logger(quiet))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b
}

// named is the name of a queue of one test.
func named() string { return "rpc-" + rand.Text() }

func deleteQueue(t *testing.T, node *rabbitmqtest.Node, name string) {
	t.Helper()
	conn, err := amqp.Dial(node.URL())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(name, false, false, false)
	require.NoError(t, err)
}

// calling is a client on RabbitMQ.
func calling(t *testing.T, b *rabbitmq.Broker, name string) *rpc.Client {
	t.Helper()
	client, err := rpc.New(rpc.Queue(b, name), remote.JSON, rpc.Logger(quiet))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// serving runs a service on RabbitMQ until the function that it returns is called.
func serving(t *testing.T, b *rabbitmq.Broker, queue string, handler processor.Processor, layers ...processor.Middleware) (stop func()) {
	t.Helper()
	all := append([]processor.Middleware{ack.New(), reply.New(b.Publisher(), remote.JSON, reply.Logger(quiet))}, layers...)
	pipeline, err := stack.New(all...).Then(handler)
	require.NoError(t, err)
	c, err := consumer.New(b.Source(queue), pipeline, consumer.Workers(8), consumer.Logger(quiet))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); run.Wait() })
	t.Cleanup(stop)
	return stop
}

func TestOnRabbitMQTheCallerBlocksThroughTwoBackoffsAndGets42(t *testing.T) {
	t.Parallel()
	b := opened(t, rabbitmqtest.Shared(t))
	queue := named()
	opts := []backoff.Option{backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(200*time.Millisecond)), backoff.Jitter(0), backoff.Retries(2))}
	topology, err := backoff.Topology(broker.Queue{Name: queue}, opts...)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), topology))
	var begun atomic.Int32
	var never atomic.Bool
	serving(t, b, queue, sum(func(context.Context, processor.Message) error {
		if begun.Add(1) < 3 || never.Load() {
			return errBusy
		}
		return nil
	}), backoff.New(b.Publisher(), queue, opts...), recovery.New())
	client := calling(t, b, queue+"-replies")
	start := time.Now()
	got, err := rpc.Call[int](t.Context(), client, processor.Destination{RoutingKey: queue}, []int{20, 22})
	require.NoError(t, err)
	require.Equal(t, 42, got)
	require.GreaterOrEqual(t, time.Since(start), 400*time.Millisecond)

	never.Store(true)
	start = time.Now()
	_, err = rpc.Call[int](t.Context(), client, processor.Destination{RoutingKey: queue}, []int{20, 22})
	var failure *remote.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, remote.TypeExpired, failure.Type)
	require.GreaterOrEqual(t, time.Since(start), 400*time.Millisecond)
	_, err = rpc.Call[int](t.Context(), client, processor.Destination{RoutingKey: queue + "-nobody"}, 1)
	require.ErrorIs(t, err, processor.ErrUnroutable)
}

func TestOnRabbitMQADeletedReplyQueueEndsTheCallAtOnceAndComesBack(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b := opened(t, node)
	queue := named()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	client := calling(t, b, queue+"-replies")
	ended := make(chan error, 1)
	go func() {
		_, err := rpc.Call[int](t.Context(), client, processor.Destination{RoutingKey: queue}, []int{1})
		ended <- err
	}()
	require.Eventually(t, func() bool { n, err := b.Ready(t.Context(), queue); return err == nil && n == 1 }, 10*time.Second, time.Millisecond)
	deleteQueue(t, node, queue+"-replies")
	require.ErrorIs(t, <-ended, rpc.ErrRepliesLost)
	serving(t, b, queue, sum(nil))
	got, err := rpc.Call[int](t.Context(), client, processor.Destination{RoutingKey: queue}, []int{1})
	require.NoError(t, err)
	require.Equal(t, 1, got)
}

// 10,000 calls, while the service is stopped and started, every connection is cut, and the node is killed and
// started again.
func TestEachCallEndsOnceWhateverIsKilled(t *testing.T) {
	t.Parallel()
	const callers, each = 64, 157 // 10,048
	node := rabbitmqtest.Start(t)
	b, s := opened(t, node), opened(t, node)
	queue := named()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}}}))
	require.NoError(t, s.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}}}))
	stop := serving(t, s, queue, sum(nil), recovery.New())
	client := calling(t, b, queue+"-replies")

	var done, results, wrong, late atomic.Int64
	var mu sync.Mutex
	failures := map[string]int{}
	var calls sync.WaitGroup
	for g := range callers {
		calls.Go(func() {
			for i := range each {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				start := time.Now()
				got, err := rpc.Call[int](ctx, client, processor.Destination{RoutingKey: queue}, []int{g, i})
				if time.Since(start) > time.Minute+5*time.Second {
					late.Add(1)
				}
				cancel()
				switch {
				case err == nil && got == g+i:
					results.Add(1)
				case err == nil:
					wrong.Add(1)
				default:
					mu.Lock()
					failures[kind(err)]++
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	at := func(share int64) {
		require.Eventually(t, func() bool { return done.Load() >= callers*each*share/10 }, 2*time.Minute, time.Millisecond)
	}
	at(2)
	stop()
	stop = serving(t, s, queue, sum(nil), recovery.New())
	at(4)
	node.CloseConnections(t, "cut")
	at(6)
	node.Kill(t)
	node.Restart(t)
	calls.Wait()
	stop()
	stats := client.Stats()
	t.Logf("RabbitMQ %s: %d results, failures %v, %d late replies", rabbitmqtest.Version(t), results.Load(), failures, stats.Late)
	require.Zero(t, wrong.Load(), "a reply of another call")
	require.Zero(t, late.Load(), "calls that outlived their deadline")
	require.Zero(t, stats.Pending)
	require.EqualValues(t, callers*each, done.Load())
	require.Greater(t, results.Load(), int64(callers*each*8/10))
	for name := range failures {
		require.NotEqual(t, "other", name)
	}
}

// kind names the errors that a call may end with while things are killed.
func kind(err error) string {
	for _, known := range []error{processor.ErrIndeterminate, rpc.ErrRepliesLost, context.DeadlineExceeded, processor.ErrBlocked, processor.ErrRefused} {
		if errors.Is(err, known) {
			return fmt.Sprint(known)
		}
	}
	return "other"
}
