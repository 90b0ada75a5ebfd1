package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// book is the outcome of the messages, by their id. missing returns the messages that were
// confirmed, and never acked.
type book struct {
	mu        sync.Mutex
	confirmed map[string]bool
	acked     map[string]bool
	doubtful  int
}

func (k *book) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.confirmed)
}

// missing returns the messages that were confirmed, and never acked.
func (k *book) missing() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for id := range k.confirmed {
		if !k.acked[id] {
			ids = append(ids, id)
		}
	}
	return ids
}

// publish publishes until the broker is closed.
func (k *book) publish(b *rabbitmq.Broker, queue, life string, size int) error {
	for n := 0; ; n++ {
		e := text(fmt.Sprint(life, ".", n))
		e.Body = make([]byte, size)
		err := b.Publisher().Publish(context.Background(), to(queue), e)
		switch {
		case errors.Is(err, processor.ErrIndeterminate):
			k.mu.Lock()
			k.doubtful++
			k.mu.Unlock()
		case err != nil:
			return err
		default:
			k.mu.Lock()
			k.confirmed[e.ID] = true
			k.mu.Unlock()
		}
	}
}

// consume acks until the subscription ends.
func (k *book) consume(ctx context.Context, sub broker.Subscription) error {
	for {
		msg, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		if msg.Ack() == nil {
			k.mu.Lock()
			k.acked[msg.Properties().ID] = true
			k.mu.Unlock()
		}
	}
}

// Brokers that are opened, used concurrently, cut off by the node or by the network, and closed. It
// is not parallel, so that the goroutines it checks, and the connections that the node closes, are
// its own.
func TestStressOfLivesLosesNoMessageAndLeavesNoGoroutine(t *testing.T) {
	node := rabbitmqtest.Shared(t)
	queue := name(t)
	kept := &book{confirmed: map[string]bool{}, acked: map[string]bool{}}
	before := goleak.IgnoreCurrent()
	for i := range 200 {
		live(t, node, kept, queue, i)
	}
	goleak.VerifyNone(t, before)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	drained := make(chan error, 1)
	sub := subscribe(t, open(t, node.URL()), queue, 100)
	go func() { drained <- kept.consume(ctx, sub) }()
	require.Eventually(t, func() bool { return len(kept.missing()) == 0 }, patience, 10*time.Millisecond, "confirmed and lost")
	cancel()
	require.ErrorIs(t, <-drained, context.Canceled)
	t.Logf("%d confirmed, %d of unknown outcome", kept.count(), kept.doubtful)
}

// live is one life of a broker. The number decides what happens to it.
func live(t *testing.T, node *rabbitmqtest.Node, kept *book, queue string, number int) {
	t.Helper()
	w := newWire()
	b, err := rabbitmq.Open(within(t), []string{node.URL()}, w.option(),
		rabbitmq.Failover(failover.Backoff(time.Millisecond, time.Millisecond)))
	require.NoError(t, err)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	sub, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 10})
	require.NoError(t, err)

	size := 1000
	if number%3 == 0 {
		size = 200_000 // two frames
	}
	over := make(chan error, 3)
	for p := range 2 {
		go func() { over <- kept.publish(b, queue, fmt.Sprint(number, ".", p), size) }()
	}
	go func() { over <- kept.consume(within(t), sub) }()
	awaitConfirms(t, kept, 3)

	ctx := within(t)
	switch number % 4 {
	case 1:
		node.CloseConnections(t, "maintenance")
	case 2:
		w.torn.Store(true)
		require.Eventually(t, func() bool { return !w.torn.Load() }, patience, 100*time.Microsecond)
	case 3:
		ended, cancel := context.WithCancel(ctx)
		cancel()
		ctx = ended
	}
	if number%8 > 4 { // it recovers first
		awaitConfirms(t, kept, 3)
	}
	if err := b.Close(ctx); number%4 != 3 {
		require.NoError(t, err)
	}
	for range cap(over) {
		if err := <-over; !errors.Is(err, io.EOF) {
			require.ErrorIs(t, err, processor.ErrClosed)
		}
	}
}

// awaitConfirms waits until n more messages have been confirmed.
func awaitConfirms(t *testing.T, kept *book, n int) {
	t.Helper()
	before := kept.count()
	require.Eventually(t, func() bool { return kept.count() >= before+n }, patience, 100*time.Microsecond)
}
