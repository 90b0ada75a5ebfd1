package direct_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/direct"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }

var quiet = slog.New(slog.DiscardHandler)

// calling is a client whose replies come directly.
func calling(t *testing.T, b *rabbitmq.Broker) *rpc.Client {
	t.Helper()
	client, err := rpc.New(direct.Replies(b), remote.JSON, rpc.Logger(quiet))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close(context.Background())) })
	return client
}

// add is a service that adds numbers, after it was asked.
func add(asked func() error) processor.Processor {
	return remote.Handler(remote.JSON, func(_ context.Context, n []int, _ processor.Message) (int, error) {
		if err := asked(); err != nil {
			return 0, err
		}
		sum := 0
		for _, x := range n {
			sum += x
		}
		return sum, nil
	})
}

// serving runs a service until the function that it returns is called.
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

func name() string { return "direct-" + rand.Text() }

func at(queue string) processor.Destination { return processor.Destination{RoutingKey: queue} }

func TestTheReplyComesDirectlyThroughTwoBackoffs(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Shared(t).URL())
	queue := name()
	opts := []backoff.Option{backoff.Schedule(backoff.Fixed(50 * time.Millisecond)), backoff.Jitter(0), backoff.Retries(2), backoff.Logger(quiet)}
	top, err := backoff.Topology(broker.Queue{Name: queue}, opts...)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), top))
	var begun atomic.Int32
	busy := errors.New("busy")
	serving(t, b, queue, add(func() error {
		if begun.Add(1) < 3 {
			return busy
		}
		return nil
	}), backoff.New(b.Publisher(), queue, opts...))
	got, err := rpc.Call[int](t.Context(), calling(t, b), at(queue), []int{20, 22})
	require.NoError(t, err)
	require.Equal(t, 42, got)
	require.EqualValues(t, 3, begun.Load())
}

func TestThousandsOfCallsAreInFlight(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Shared(t).URL())
	queue := name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	client := calling(t, b)
	const n = 3000
	var calls sync.WaitGroup
	var wrong atomic.Int32
	for i := range n {
		calls.Go(func() {
			if got, err := rpc.Call[int](t.Context(), client, at(queue), []int{i, 1}); err != nil || got != i+1 {
				wrong.Add(1)
			}
		})
	}
	rig.Ready(t, b, queue, n)
	serving(t, b, queue, add(func() error { return nil }))
	calls.Wait()
	require.Zero(t, wrong.Load())
	require.Equal(t, rpc.Stats{Calls: n}, client.Stats())
}

// None of the refused calls ends another, which waits meanwhile.
func TestARefusedCallFailsAtOnce(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := name()
	node.AddUser(t, user, "secret")
	node.Permit(t, user, "/", ".*", "^$|^amq.default$|^amq.topic$", ".*")
	node.PermitTopics(t, user, "/", "amq.topic", "^good$")
	b := rig.Open(t, node.URLFor(user, "secret", "/"))
	queue := name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	client := calling(t, b)
	waiting := make(chan error, 1)
	go func() {
		got, err := rpc.Call[int](t.Context(), client, at(queue), []int{1})
		if err == nil && got != 1 {
			err = fmt.Errorf("got %d", got)
		}
		waiting <- err
	}()
	rig.Ready(t, b, queue, 1)

	call := func(to processor.Destination) error {
		start := time.Now()
		_, err := rpc.Call[int](t.Context(), client, to, 1)
		require.Less(t, time.Since(start), 10*time.Second)
		return err
	}
	for range 2 {
		require.ErrorIs(t, call(at(name())), processor.ErrUnroutable)
		require.ErrorIs(t, call(processor.Destination{Exchange: name(), RoutingKey: "x"}), processor.ErrUnroutable)
		require.ErrorIs(t, call(processor.Destination{Exchange: "amq.fanout", RoutingKey: "x"}), processor.ErrForbidden)
		require.ErrorIs(t, call(processor.Destination{Exchange: "amq.topic", RoutingKey: "bad"}), processor.ErrForbidden)
		require.ErrorIs(t, call(processor.Destination{Exchange: "amq.topic", RoutingKey: "good"}), processor.ErrUnroutable, "permitted, but bound to nothing")
	}
	serving(t, b, queue, add(func() error { return nil }))
	require.NoError(t, <-waiting)
}

// A user without any permission to publish is told so as well.
func TestAUserWhoMayPublishNowhereIsRefused(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := name()
	node.AddUser(t, user, "secret")
	node.Permit(t, user, "/", ".*", "^$", ".*")
	client := calling(t, rig.Open(t, node.URLFor(user, "secret", "/")))
	for range 2 {
		_, err := rpc.Call[int](rig.Within(t), client, at(name()), 1)
		require.ErrorIs(t, err, processor.ErrForbidden)
	}
}

// Whether a request is permitted is asked by a message that goes nowhere.
func TestARequestToAnExchangeArrivesOnce(t *testing.T) {
	t.Parallel()
	b, queue, copies, exchange := rig.Open(t, rabbitmqtest.Shared(t).URL()), name(), name(), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{
		Queues:    []broker.Queue{{Name: queue}, {Name: copies}},
		Exchanges: []broker.Exchange{{Name: exchange, Kind: broker.Topic}},
		Bindings: []broker.Binding{
			{Exchange: exchange, Queue: queue, RoutingKey: "#"}, {Exchange: exchange, Queue: copies, RoutingKey: "#"},
		},
	}))
	client := calling(t, b)
	serving(t, b, queue, add(func() error { return nil }))
	for i := range 20 {
		got, err := rpc.Call[int](rig.Within(t), client, processor.Destination{Exchange: exchange, RoutingKey: fmt.Sprint("key.", i)}, []int{i})
		require.NoError(t, err)
		require.Equal(t, i, got)
	}
	require.NoError(t, b.Publisher().Publish(rig.Within(t), at(copies), rig.Text("last")), "a count may overtake what comes before it")
	n, err := b.Ready(rig.Within(t), copies)
	require.NoError(t, err)
	require.Equal(t, 20+1, n)
}

func TestABodyThatIsTooLargeIsSentOnce(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Config("max_message_size = 10000"))
	b := rig.Open(t, node.URL())
	client := calling(t, b)
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
	for range 2 {
		_, err := rpc.Call[int](t.Context(), client, at("q"), string(make([]byte, 20_000)))
		require.ErrorIs(t, err, processor.ErrTooLarge)
	}
	serving(t, b, "q", add(func() error { return nil }))
	_, err := rpc.Call[int](t.Context(), client, at("q"), []int{1})
	require.NoError(t, err)
}

// The error said only that the deadline was exceeded.
func TestACallWithoutANodeSaysWhyNothingWasSent(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := rig.Open(t, node.URL())
	lines := []rpc.Line{direct.Replies(b), rpc.Queue(b, name())}
	node.Kill(t)
	require.Eventually(t, func() bool { return b.Publishing().Ready() != nil && b.Consuming().Ready() != nil }, rig.Patience, time.Millisecond)
	for _, line := range lines {
		client, err := rpc.New(line, remote.JSON, rpc.Logger(quiet))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err = rpc.Call[int](ctx, client, at("q"), []int{1})
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "no session since")
		require.NotErrorIs(t, err, processor.ErrIndeterminate)
		require.NoError(t, client.Close(rig.Within(t)))
	}
}

// Each would close the channel, or the connection, and with it the replies of all calls would be lost.
func TestARequestThatTheBrokerWouldCloseTheChannelOverIsNotSent(t *testing.T) {
	t.Parallel()
	b, queue := rig.Open(t, rabbitmqtest.Shared(t).URL()), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	line := direct.Replies(b)
	ctx, cancel := context.WithCancel(t.Context())
	lost := make(chan error, 1)
	go func() { _, err := line.Receive(ctx); lost <- err }()
	p, err := line.Publisher(t.Context())
	require.NoError(t, err)
	stranger := processor.Envelope{Properties: processor.Properties{UserID: "somebody", CorrelationID: "1"}}
	require.ErrorIs(t, p.Publish(rig.Within(t), at(queue), stranger), processor.ErrForbidden)
	request := processor.Envelope{Properties: processor.Properties{CorrelationID: "2"}}
	require.ErrorIs(t, p.Publish(rig.Within(t), at("amq.rabbitmq.reply-to.x"), request), processor.ErrUnroutable)
	require.ErrorIs(t, p.Publish(rig.Within(t), processor.Destination{Exchange: "\xff"}, request), processor.ErrUnroutable)
	require.NoError(t, p.Publish(rig.Within(t), at(queue), request))
	cancel()
	require.ErrorIs(t, <-lost, context.Canceled, "the channel is the first one")
	require.NoError(t, line.Close(rig.Within(t)))
}

// 3,000 calls, while the service is stopped and started, every connection is cut, and the node is
// killed and started again.
func TestEachCallEndsOnceWhateverIsKilled(t *testing.T) {
	t.Parallel()
	const callers, each = 30, 100
	node := rabbitmqtest.Start(t)
	b, s := rig.Open(t, node.URL()), rig.Open(t, node.URL())
	queue := broker.Queue{Name: "q", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{queue}}))
	stop := serving(t, s, "q", add(func() error { return nil }))
	client := calling(t, b)
	var done, results, wrong atomic.Int64
	var failures sync.Map
	var calls sync.WaitGroup
	for g := range callers {
		calls.Go(func() {
			for i := range each {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				got, err := rpc.Call[int](ctx, client, at("q"), []int{g, i})
				cancel()
				switch {
				case err == nil && got == g+i:
					results.Add(1)
				case err == nil:
					wrong.Add(1)
				case !errors.Is(err, processor.ErrIndeterminate) && !errors.Is(err, rpc.ErrRepliesLost) &&
					!errors.Is(err, context.DeadlineExceeded):
					failures.Store(err.Error(), true)
				}
				done.Add(1)
			}
		})
	}
	reach := func(share int64) {
		require.Eventually(t, func() bool { return done.Load() >= callers*each*share/10 }, 2*time.Minute, time.Millisecond)
	}
	reach(2)
	stop()
	stop = serving(t, s, "q", add(func() error { return nil }))
	reach(4)
	node.CloseConnections(t, "cut")
	reach(6)
	node.Kill(t)
	node.Restart(t)
	calls.Wait()
	stop()
	t.Logf("%d results of %d, %+v", results.Load(), callers*each, client.Stats())
	failures.Range(func(err, _ any) bool { t.Error(err); return true })
	require.Zero(t, wrong.Load(), "a reply of another call")
	require.Zero(t, client.Stats().Pending)
	require.Greater(t, results.Load(), int64(callers*each*8/10))
}

func TestALineWithoutABrokerIsRefused(t *testing.T) {
	t.Parallel()
	_, err := rpc.New(direct.Replies(nil), remote.JSON)
	require.ErrorContains(t, err, "the broker is nil")
}

// The client holds a lock of its own while it hands over confirms that had come out of order, as those of
// a quorum and a classic queue do.
func TestConfirmsOutOfOrderHoldUpNothing(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Shared(t).URL())
	classic, quorum := name(), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: classic}, {Name: quorum, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
	}}))
	serving(t, b, classic, add(func() error { return nil }))
	serving(t, b, quorum, add(func() error { return nil }))
	client := calling(t, b)
	ctx := rig.Within(t)
	var calls sync.WaitGroup
	var failed atomic.Int64
	for g := range 64 {
		calls.Go(func() {
			for i := range 60 {
				if _, err := rpc.Call[int](ctx, client, at([]string{classic, quorum}[(g+i)%2]), []int{g, i}); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	calls.Wait()
	require.Zero(t, failed.Load())
}
