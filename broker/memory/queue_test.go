package memory_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
)

// As RabbitMQ 3.10.8, 4.0.5 and 4.3.6 did it: six messages, four in flight, of which 2, 0 and 1
// are requeued.
func TestOrderOfWhatComesBack(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		major, minor int
		queue        broker.Queue
		want         []string
	}{
		"classic":                      {4, 3, broker.Queue{}, []string{"0", "1", "2", "4", "5"}},
		"quorum":                       {4, 3, broker.Queue{Type: broker.Quorum}, []string{"2", "0", "1", "4", "5"}},
		"quorum with a delivery limit": {4, 3, broker.Queue{Type: broker.Quorum, DeliveryLimit: 5}, []string{"2", "0", "1", "4", "5"}},
		"4.0 quorum":                   {4, 0, broker.Queue{Type: broker.Quorum}, []string{"2", "0", "1", "4", "5"}},
		"3.10 classic":                 {3, 10, broker.Queue{}, []string{"0", "1", "2", "4", "5"}},
		"3.10 quorum":                  {3, 10, broker.Queue{Type: broker.Quorum}, []string{"4", "5", "2", "0", "1"}},
		"3.10 quorum with a limit":     {3, 10, broker.Queue{Type: broker.Quorum, DeliveryLimit: 5}, []string{"2", "0", "1", "4", "5"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.queue.Name = "q"
			b := open(t, []broker.Queue{tc.queue}, memory.Version(tc.major, tc.minor))
			publish(t, b, "q", "0", "1", "2", "3", "4", "5")
			s := subscribe(t, b, "q", 4)
			var inHand []processor.Message
			for range 4 {
				inHand = append(inHand, receive(t, s))
			}
			<-s.Pause()
			for _, i := range []int{2, 0, 1} {
				require.NoError(t, inHand[i].Nack(true))
			}
			require.Equal(t, tc.want, drain(t, subscribe(t, b, "q", 1), 5))
		})
	}
}

// The requeue at every shutdown must not use up a message's attempts.
func TestReleaseDoesNotCountTowardTheDeliveryLimit(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q", Type: broker.Quorum, Arguments: processor.Headers{"x-delivery-limit": 1}}})
	publish(t, b, "q", "m")
	for range 5 {
		s := subscribe(t, b, "q", 1)
		m := receive(t, s)
		require.NotContains(t, m.Headers(), "x-delivery-count")
		require.NoError(t, release(m))
		require.NoError(t, s.Close(t.Context()))
	}
	require.Equal(t, 1, ready(t, b, "q"))
}

func TestOverflow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		queue                broker.Queue
		refused, kept, dying []string
	}{
		"drop-head":          {broker.Queue{MaxLength: 2}, nil, []string{"ccc", "dd"}, []string{"a", "bb"}},
		"reject-publish":     {broker.Queue{MaxLength: 2, Overflow: broker.RejectPublish}, []string{"ccc", "dd"}, []string{"a", "bb"}, nil},
		"reject-publish-dlx": {broker.Queue{MaxLength: 2, Arguments: processor.Headers{"x-overflow": "reject-publish-dlx"}}, []string{"ccc", "dd"}, []string{"a", "bb"}, []string{"ccc", "dd"}},
		"bytes":              {broker.Queue{Arguments: processor.Headers{"x-max-length-bytes": 5}}, nil, []string{"ccc", "dd"}, []string{"a", "bb"}},
		"bytes, refused":     {broker.Queue{Overflow: broker.RejectPublish, Arguments: processor.Headers{"x-max-length-bytes": 5}}, []string{"ccc"}, []string{"a", "bb", "dd"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.queue.Name, tc.queue.DeadLetter = "q", toQueue("dead")
			b := open(t, []broker.Queue{tc.queue, {Name: "dead"}})
			var refused []string
			for _, body := range []string{"a", "bb", "ccc", "dd"} {
				if err := try(t, b, "q", body); err != nil {
					require.ErrorIs(t, err, processor.ErrRefused)
					refused = append(refused, body)
				}
			}
			require.Equal(t, tc.refused, refused)
			require.Equal(t, tc.dying, empty(t, b, "dead"))
			require.Equal(t, tc.kept, empty(t, b, "q"))
		})
	}
}

func TestAQueueMayGrowAndShrink(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprint(i))
	}
	for range 3 {
		publish(t, b, "q", want[:3000]...)
		s := subscribe(t, b, "q", 100)
		require.Equal(t, want[:1500], drain(t, s, 1500))
		publish(t, b, "q", want[3000:]...)
		require.Equal(t, want[1500:], drain(t, s, 3500))
		require.Equal(t, 0, ready(t, b, "q"))
		require.NoError(t, s.Close(t.Context()))
	}
}

// A queue that has no messages kept each of them in its line: such as a queue of answers, with a subscription for each
// call.
func TestAQueueForgetsSubscriptionsThatAreClosed(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	const all = 100
	var freed atomic.Int64
	for range all {
		held := new([1 << 10]byte) // by the subscription
		runtime.AddCleanup(held, func(int) { freed.Add(1) }, 0)
		s, err := b.Source("q").Subscribe(t.Context(), broker.SubscribeOptions{
			Prefetch: 1, Returning: func(*broker.Delivery, <-chan struct{}) { held[0]++ },
		})
		require.NoError(t, err)
		require.NoError(t, s.Close(t.Context()))
	}
	require.Eventually(t, func() bool { runtime.GC(); return freed.Load() > all/2 }, 10*time.Second, time.Millisecond)
	require.NoError(t, b.Close(t.Context()))
}

// RabbitMQ 4.3.6, 4.0.5 and 3.10.8 did so, with classic and quorum queues: a pause cancels the consumer.
func TestASubscriptionThatWasPausedWaitsBehindTheOthers(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	first, second := subscribe(t, b, "q", 1), subscribe(t, b, "q", 1)
	<-first.Pause()
	first.Resume()
	publish(t, b, "q", "1", "2")
	require.Equal(t, "1", string(receive(t, second).Body()))
	require.Equal(t, "2", string(receive(t, first).Body()))
}
