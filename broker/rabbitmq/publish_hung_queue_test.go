package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// Publishes to a queue that answered nothing took all 1,024 places of the channel. The broker then
// stopped reading from the connection, no other queue could be published to, and Health was nil.
func TestAQueueThatHangsStopsNoOthersPublishing(t *testing.T) {
	t.Parallel()
	for kind, args := range map[string]amqp.Table{"classic": nil, "quorum": {"x-queue-type": "quorum"}} {
		for _, hanging := range []int{1, 5} {
			t.Run(fmt.Sprint(hanging, " ", kind), func(t *testing.T) {
				t.Parallel()
				node := rabbitmqtest.Start(t)
				b, other := open(t, node.URL()), declareQueue(t, node.URL(), nil)
				require.NoError(t, b.Publisher().Publish(within(t), to(other), text("first")))
				hung := make([]string, hanging)
				for i := range hung {
					hung[i] = declareQueue(t, node.URL(), args)
					tell(t, node, hung[i], "suspend")
				}
				var waiting sync.WaitGroup
				var stored, unknown atomic.Int64
				const each = 2000
				for i := range each * hanging {
					waiting.Go(func() {
						err := b.Publisher().Publish(within(t), to(hung[i%hanging]), text(fmt.Sprint(i)))
						switch {
						case err == nil:
							stored.Add(1)
						case errors.Is(err, processor.ErrIndeterminate):
							unknown.Add(1)
						}
					})
				}
				longest, published := standstill(t, b, other, 8*time.Second)
				t.Logf("others: %d published, the longest standstill %v", published, longest.Round(time.Millisecond))
				require.Less(t, longest, 4*time.Second)
				err := b.Health()
				require.ErrorIs(t, err, rabbitmq.ErrQueueDown)
				for _, q := range hung {
					require.ErrorContains(t, err, q, "it names the queue")
					tell(t, node, q, "resume")
				}
				waiting.Wait()
				t.Logf("%d stored, %d of unknown outcome", stored.Load(), unknown.Load())
				require.EqualValues(t, each*hanging, stored.Load()+unknown.Load())
				total := 0
				for _, q := range hung {
					n, err := b.Ready(within(t), q)
					require.NoError(t, err)
					total += n
				}
				require.GreaterOrEqual(t, total, int(stored.Load()), "none is lost")
				require.Eventually(t, func() bool { return b.Health() == nil }, patience, time.Millisecond)
			})
		}
	}
}

// A topic exchange has a new key for each message, and each would stop the channel again.
func TestAQueueThatHangsBehindManyKeysStopsNoOthersPublishing(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, other := open(t, node.URL()), declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("first")))
	hung := declareQueue(t, node.URL(), amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, raw(t, node.URL()).QueueBind(hung, "user.#", "amq.topic", false, nil))
	tell(t, node, hung, "suspend")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var users sync.WaitGroup
	var n atomic.Int64
	for range 20 {
		users.Go(func() {
			for ctx.Err() == nil {
				limited, cancel := context.WithTimeout(ctx, 5*time.Second)
				key := fmt.Sprint("user.", n.Add(1))
				_ = b.Publisher().Publish(limited, processor.Destination{Exchange: "amq.topic", RoutingKey: key}, text(key))
				cancel()
			}
		})
	}
	longest, published := standstill(t, b, other, 12*time.Second)
	cancel()
	users.Wait()
	t.Logf("others: %d published, the longest standstill %v; %d keys", published, longest.Round(time.Millisecond), n.Load())
	require.Less(t, longest, 6*time.Second)
	require.Greater(t, published, 1000)
	require.Less(t, len(fmt.Sprint(b.Health())), 4<<10)
}

// standstill publishes to a queue, one message after the other, from four goroutines. It returns the
// longest time in which none was confirmed.
func standstill(t *testing.T, b *rabbitmq.Broker, queue string, d time.Duration) (longest time.Duration, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var mu sync.Mutex
	last := time.Now()
	note := func(published int) {
		mu.Lock()
		defer mu.Unlock()
		longest, last = max(longest, time.Since(last)), time.Now()
		n += published
	}
	var publishing sync.WaitGroup
	for range 4 {
		publishing.Go(func() {
			for ctx.Err() == nil {
				if b.Publisher().Publish(ctx, to(queue), text("x")) == nil {
					note(1)
				}
			}
		})
	}
	publishing.Wait()
	note(0)
	return longest, n
}
