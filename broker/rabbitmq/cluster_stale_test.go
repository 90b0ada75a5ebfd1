package rabbitmq_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/retrying"
)

// A channel may nack without end if its first publish to a queue comes just after the queue's
// leader has died. Some of these channels do that.
func testStaleChannels(t *testing.T, w *site) {
	t.Helper()
	const publishers = 6
	work := w.queues(t, 0)
	var brokers []*rabbitmq.Broker
	for range publishers {
		b, _ := w.open(t, 1, 1, failover.StableAfter(0))
		err := b.Publisher().Publish(within(t), to(name(t)), text("1"))
		require.ErrorIs(t, err, processor.ErrUnroutable, "its channel is there")
		brokers = append(brokers, b)
	}
	var mu sync.Mutex
	var slowest time.Duration
	refused := 0
	w.nodes[0].Kill(t)
	start := time.Now()
	var publishing sync.WaitGroup
	for i, b := range brokers {
		p := must.Have(retrying.New(b.Publisher(), retrying.Backoff(50*time.Millisecond, 200*time.Millisecond),
			retrying.OnError(func(err error, _ time.Duration) {
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, processor.ErrRefused) {
					refused++
				}
			})))
		publishing.Go(func() {
			<-time.After(time.Duration(i) * 100 * time.Millisecond) // around the election
			if err := p.Publish(within(t), to(work), text("1")); err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(start))
		})
	}
	publishing.Wait()
	t.Logf("the last of %d was stored %v after its leader's death; %d nacks", publishers, slowest.Round(time.Millisecond), refused)
	require.Less(t, slowest, 5*time.Second)
	ready(t, brokers[0], work, publishers)
	restart(t, w, w.nodes[0])
}
