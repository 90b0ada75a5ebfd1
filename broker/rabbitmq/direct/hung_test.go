package direct_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/direct"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/rpc"
)

// tell suspends or resumes the process of a queue.
func tell(tb testing.TB, node *rabbitmqtest.Node, queue, what string) {
	tb.Helper()
	node.Eval(tb, `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"/">>, queue, <<%q>>)), sys:%s(amqqueue:get_pid(Q))`, queue, what)
}

// hanging returns a queue that is served, and one that answers nothing until the function is called.
func hanging(t *testing.T, kind broker.QueueType) (b *rabbitmq.Broker, served, hung string, resume func()) {
	t.Helper()
	node := rabbitmqtest.Start(t)
	b = rig.Open(t, node.URL())
	served, hung = name(), name()
	limit := 0
	if kind == broker.Quorum {
		limit = broker.HighDeliveryLimit
	}
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: served}, {Name: hung, Type: kind, DeliveryLimit: limit},
	}}))
	serving(t, b, served, add(func() error { return nil }))
	tell(t, node, hung, "suspend")
	resume = sync.OnceFunc(func() { tell(t, node, hung, "resume") })
	t.Cleanup(resume)
	return b, served, hung, resume
}

// A confirm that did not come held up all that came after it, and Call looked at no reply before it: each call
// took its 30 seconds.
func TestAQueueThatDoesNotAnswerDelaysNoOtherCall(t *testing.T) {
	t.Parallel()
	b, served, hung, resume := hanging(t, broker.Classic)
	client := calling(t, b)
	_, err := rpc.Call[int](rig.Within(t), client, at(served), []int{1})
	require.NoError(t, err)
	stuck := make(chan error, 1)
	go func() {
		_, err := rpc.Call[int](rig.Within(t), client, at(hung), []int{1})
		stuck <- err
	}()
	require.Eventually(t, func() bool { return client.Stats().Pending == 1 }, rig.Patience, time.Millisecond)
	for i := range 50 {
		start := time.Now()
		got, err := rpc.Call[int](rig.Within(t), client, at(served), []int{i})
		require.NoError(t, err)
		require.Equal(t, i, got)
		require.Less(t, time.Since(start), time.Second)
	}
	resume()
	serving(t, b, hung, add(func() error { return nil }))
	require.NoError(t, <-stuck, "its channel was kept")
}

// A quorum queue stops the whole channel, and a few hundred requests the whole connection, with all that the
// program publishes.
func TestCallsToAQueueThatHangsStopNoOthers(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b, served, hung, resume := hanging(t, kind)
			client := calling(t, b)
			_, err := rpc.Call[int](rig.Within(t), client, at(served), []int{1})
			require.NoError(t, err)
			other := name()
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: other}}}))
			require.NoError(t, b.Publisher().Publish(t.Context(), at(other), rig.Text("first")))

			ctx, cancel := context.WithCancel(t.Context())
			var stuck sync.WaitGroup
			for range 1000 {
				stuck.Go(func() {
					if _, err := rpc.Call[int](ctx, client, at(hung), []int{1}); err == nil {
						t.Error("nobody serves that queue")
					}
				})
			}
			var measuring sync.WaitGroup
			measuring.Go(func() {
				longest := standstill(8*time.Second, func(ctx context.Context) error {
					return b.Publisher().Publish(ctx, at(other), rig.Text("x"))
				})
				t.Logf("others' publishing: the longest standstill %v", longest.Round(time.Millisecond))
				if longest > 4*time.Second {
					t.Errorf("publishing stood still for %v", longest)
				}
			})
			longest := standstill(8*time.Second, func(ctx context.Context) error {
				_, err := rpc.Call[int](ctx, client, at(served), []int{1})
				return err
			})
			measuring.Wait()
			t.Logf("others' calls: the longest standstill %v", longest.Round(time.Millisecond))
			require.Less(t, longest, 4*time.Second)
			cancel()
			stuck.Wait()
			require.Zero(t, client.Stats().Pending)
			resume()
		})
	}
}

// standstill calls f from four goroutines, and returns the longest time in which none succeeded. What takes
// longer than a second is tried again.
func standstill(d time.Duration, f func(context.Context) error) (longest time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	var mu sync.Mutex
	last := time.Now()
	note := func() {
		mu.Lock()
		defer mu.Unlock()
		longest, last = max(longest, time.Since(last)), time.Now()
	}
	var calling sync.WaitGroup
	for range 4 {
		calling.Go(func() {
			for ctx.Err() == nil {
				limited, cancel := context.WithTimeout(ctx, time.Second)
				if f(limited) == nil {
					note()
				}
				cancel()
			}
		})
	}
	calling.Wait()
	note()
	return longest
}

// A channel is replaced after a nack. Its replies come all the same.
func TestTheReplyComesAfterItsChannelWasReplaced(t *testing.T) {
	t.Parallel()
	b := rig.Open(t, rabbitmqtest.Shared(t).URL())
	queue, full := name(), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: queue}, {Name: full, MaxLength: 1, Overflow: broker.RejectPublish},
	}}))
	require.NoError(t, b.Publisher().Publish(t.Context(), at(full), rig.Text("first")))
	client := calling(t, b)
	const n = 20
	results := make(chan error, n)
	for i := range n {
		go func() {
			got, err := rpc.Call[int](rig.Within(t), client, at(queue), []int{i})
			if err == nil && got != i {
				err = errors.New("the reply to another")
			}
			results <- err
		}()
		rig.Ready(t, b, queue, i+1)
		_, err := rpc.Call[int](rig.Within(t), client, at(full), []int{i})
		require.ErrorIs(t, err, processor.ErrRefused)
	}
	serving(t, b, queue, add(func() error { return nil }))
	for range n {
		require.NoError(t, <-results)
	}
}

// Publish returned when its context ended, while its body was still being written.
func TestABodyIsTheCallersAgainWhenPublishReturns(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := rig.Open(t, node.URL(), rabbitmq.Heartbeat(2*time.Second))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "q"}}}))
	line := direct.Replies(b, direct.Logger(quiet))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var receiving sync.WaitGroup
	receiving.Go(func() {
		for ctx.Err() == nil {
			_, _ = line.Receive(ctx)
		}
	})
	p, err := line.Publisher(t.Context())
	require.NoError(t, err)
	body := bytes.Repeat([]byte("x"), 12<<20)
	request := processor.Envelope{Body: body, Properties: processor.Properties{CorrelationID: "1"}}
	require.NoError(t, p.Publish(rig.Within(t), at("q"), request))
	node.Pause(t)
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	require.ErrorIs(t, p.Publish(short, at("q"), request), processor.ErrIndeterminate)
	clear(body)
	node.Resume(t)
	require.NoError(t, b.Publisher().Publish(rig.Within(t), at("q"), rig.Text("last")))
	for sub := rig.Subscribe(t, b, "q", 1); ; {
		m := rig.Receive(t, sub)
		if string(m.Body()) == "last" {
			break
		}
		require.Equal(t, -1, bytes.IndexByte(m.Body(), 0), "it was sent after Publish had returned")
		require.NoError(t, m.Ack())
	}
	cancel()
	receiving.Wait()
	require.NoError(t, line.Close(rig.Within(t)))
}

// The replies to some calls cannot come any more. Those that begin then are not among them.
func TestCallsAfterALostConnectionAreNotLostWithIt(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := rig.Open(t, node.URL())
	queue, full := name(), name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
		{Name: queue}, {Name: full, MaxLength: 1, Overflow: broker.RejectPublish},
	}}))
	require.NoError(t, b.Publisher().Publish(t.Context(), at(full), rig.Text("first")))
	client := calling(t, b)
	lost := make(chan error, 3)
	for i := range cap(lost) {
		go func() {
			_, err := rpc.Call[int](rig.Within(t), client, at(queue), []int{i})
			lost <- err
		}()
		rig.Ready(t, b, queue, i+1)
		_, err := rpc.Call[int](rig.Within(t), client, at(full), []int{i})
		require.ErrorIs(t, err, processor.ErrRefused, "another channel takes the next")
	}
	node.CloseConnections(t, "cut")
	require.ErrorIs(t, <-lost, rpc.ErrRepliesLost)
	var asked atomic.Int32
	served := name()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: served}}}))
	serving(t, b, served, add(func() error { asked.Add(1); return nil }))
	for i := range 200 {
		_, err := rpc.Call[int](rig.Within(t), client, at(served), []int{i})
		require.NoError(t, err)
	}
	for range cap(lost) - 1 {
		require.ErrorIs(t, <-lost, rpc.ErrRepliesLost)
	}
}
