package retrying_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/retrying"
)

// watched counts a publisher's answers.
type watched struct {
	processor.Publisher
	calls, doubtful, refused atomic.Int64
}

func (w *watched) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	w.calls.Add(1)
	err := w.Publisher.Publish(ctx, to, e)
	if errors.Is(err, processor.ErrIndeterminate) {
		w.doubtful.Add(1)
	}
	if errors.Is(err, processor.ErrRefused) {
		w.refused.Add(1)
	}
	return err
}

// drain takes n messages from a queue and returns how often each id came.
func drain(t *testing.T, b *rabbitmq.Broker, queue string, n int) map[string]int {
	t.Helper()
	ctx := within(t, patience)
	sub, err := b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1000})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(ctx)) }()
	got := map[string]int{}
	for range n {
		msg, err := sub.Receive(ctx)
		require.NoError(t, err)
		got[msg.Properties().ID]++
		require.NoError(t, msg.Ack())
	}
	return got
}

func ready(t *testing.T, b *rabbitmq.Broker, queue string) int {
	t.Helper()
	n, err := b.Ready(within(t, patience), queue)
	require.NoError(t, err)
	return n
}

// The server closes every connection, again and again, while eight goroutines publish.
func TestNothingIsLostWithItsConnection(t *testing.T) {
	t.Parallel()
	const goroutines, each, cuts = 8, 400, 6
	node := rabbitmqtest.Start(t)
	queue := name(t)
	b := open(t, broker.Queue{Name: queue}, []string{node.URL()},
		rabbitmq.Failover(failover.Backoff(50*time.Millisecond, 100*time.Millisecond)))
	next := &watched{Publisher: b.Publisher()}
	p := must.Have(retrying.New(next, retrying.Backoff(10*time.Millisecond, time.Second)))
	ctx := within(t, patience)
	var published atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				if err := p.Publish(ctx, processor.Destination{RoutingKey: queue}, text(fmt.Sprintf("%d-%d", g, i))); err != nil {
					t.Error(err)
				}
				published.Add(1)
			}
		})
	}
	for cut := range cuts {
		due := int64(goroutines * each * (cut + 1) / (cuts + 1))
		require.Eventually(t, func() bool { return published.Load() >= due }, patience, time.Millisecond)
		node.CloseConnections(t, "test")
	}
	wg.Wait()

	stored := ready(t, b, queue)
	got := drain(t, b, queue, stored)
	require.Len(t, got, goroutines*each, "each at least once")
	t.Logf("%d messages, %d more of them, %d tries of unknown outcome", len(got), stored-len(got), next.doubtful.Load())
	require.Positive(t, next.doubtful.Load())
	require.LessOrEqual(t, int64(stored-len(got)), next.doubtful.Load())
}

func TestAFullQueueIsNotABusyLoopAndTakesWhatItHasRoomFor(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	queue := name(t)
	b := open(t, broker.Queue{Name: queue, MaxLength: 1, Overflow: broker.RejectPublish}, []string{node.URL()})
	next := &watched{Publisher: b.Publisher()}
	to, ctx := processor.Destination{RoutingKey: queue}, within(t, patience)
	require.NoError(t, must.Have(retrying.New(next)).Publish(ctx, to, text("first")))

	told := make(chan time.Duration, 100)
	done := make(chan error, 1)
	start := time.Now()
	go func() {
		done <- must.Have(retrying.New(next, retrying.OnError(func(err error, wait time.Duration) {
			if !errors.Is(err, processor.ErrRefused) {
				t.Error(err)
			}
			told <- wait
		}))).Publish(ctx, to, text("second"))
	}()
	var waits time.Duration
	for range 4 {
		waits += <-told
	}
	require.GreaterOrEqual(t, next.refused.Load(), int64(4))
	require.Less(t, next.calls.Load(), int64(7))
	require.Equal(t, map[string]int{"first": 1}, drain(t, b, queue, 1))
	require.NoError(t, <-done, "there is room")
	require.GreaterOrEqual(t, time.Since(start), waits)
	require.Equal(t, map[string]int{"second": 1}, drain(t, b, queue, 1))
}

// A refusal means that some queue lacks the message. The others get a copy with each try.
func TestAMessageToAQueueThatIsFullAndOneThatIsNotIsInTheOtherOften(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	full, free := name(t), name(t)
	b := open(t, broker.Queue{Name: full, MaxLength: 1, Overflow: broker.RejectPublish}, []string{node.URL()})
	require.NoError(t, b.Declare(within(t, patience), broker.Topology{
		Exchanges: []broker.Exchange{{Name: full, Kind: broker.Fanout}},
		Queues:    []broker.Queue{{Name: free}},
		Bindings:  []broker.Binding{{Exchange: full, Queue: full}, {Exchange: full, Queue: free}},
	}))
	p := must.Have(retrying.New(b.Publisher(), retrying.Retries(2), retrying.Backoff(time.Millisecond, time.Millisecond)))
	ctx := within(t, patience)
	require.NoError(t, p.Publish(ctx, processor.Destination{Exchange: full}, text("1")))
	require.ErrorIs(t, p.Publish(ctx, processor.Destination{Exchange: full}, text("2")), processor.ErrRefused)
	require.Equal(t, map[string]int{"1": 1, "2": 3}, drain(t, b, free, 4))
}

func TestAnEndWhileTheNodeHangsLeavesADoubt(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	queue := name(t)
	b := open(t, broker.Queue{Name: queue}, []string{node.URL()})
	p := must.Have(retrying.New(b.Publisher()))
	to := processor.Destination{RoutingKey: queue}
	require.NoError(t, p.Publish(within(t, patience), to, text("1")))
	node.Pause(t)
	defer node.Resume(t)
	start := time.Now()
	err := p.Publish(within(t, 300*time.Millisecond), to, text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), 5*time.Second)
}

// A message that can never be published is not retried, since it closes the shared channel.
func TestWhatIsForbiddenIsTriedOnce(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	queue := name(t)
	b := open(t, broker.Queue{Name: queue}, []string{node.URL()})
	require.NoError(t, b.Declare(within(t, patience), broker.Topology{
		Exchanges: []broker.Exchange{{Name: queue, Kind: broker.Fanout, Internal: true}},
	}))
	next := &watched{Publisher: b.Publisher()}
	e := text("1")
	require.ErrorIs(t, must.Have(retrying.New(next)).Publish(within(t, patience), processor.Destination{Exchange: queue}, e), processor.ErrForbidden)
	e.UserID = "somebody"
	require.ErrorIs(t, must.Have(retrying.New(next)).Publish(within(t, patience), processor.Destination{RoutingKey: queue}, e), processor.ErrForbidden)
	require.Equal(t, int64(2), next.calls.Load())
}
