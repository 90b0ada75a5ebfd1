package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A broker that hangs: the outcome is unknown, and the caller bounds the wait, also of Close.
func TestABrokerThatHangs(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	sub := subscribe(t, b, queue, 10)
	receive(t, sub)
	node.Pause(t)
	t.Cleanup(func() { node.Resume(t) })

	err := b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)

	start := time.Now()
	require.Error(t, sub.Close(withinTime(t, 300*time.Millisecond)))
	_ = b.Close(withinTime(t, time.Second))
	require.Less(t, time.Since(start), 5*time.Second)
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("3")), processor.ErrClosed)
}

// Heartbeats notice a node that hangs, and waiting publishes become unknown.
func TestHeartbeatsEndAPublishOnANodeThatHangs(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL(), rabbitmq.Failover(failover.Heartbeat(time.Second)))
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	node.Pause(t)
	start := time.Now()
	err := b.Publisher().Publish(within(t), to(queue), text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	require.Less(t, time.Since(start), 10*time.Second)
	node.Resume(t)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("3")), "on a new connection")
}

// The broker closes all connections, then dies: every confirmed message is stored.
func TestConfirmedMessagesSurviveLostConnections(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	node.Sync(t)
	const goroutines, each = 4, 150
	var mu sync.Mutex
	confirmed := map[string]bool{}
	half := make(chan struct{})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", g, i)
				err := b.Publisher().Publish(within(t), to(queue), text(id))
				mu.Lock()
				if err == nil {
					confirmed[id] = true
					if len(confirmed) == goroutines*each/4 {
						close(half)
					}
				} else if !errors.Is(err, processor.ErrIndeterminate) {
					t.Errorf("publish %s: %v", id, err)
				}
				mu.Unlock()
			}
		})
	}
	<-half
	node.CloseConnections(t, "test")
	node.Kill(t)
	node.Restart(t)
	wg.Wait()

	sub := subscribe(t, b, queue, 1000)
	mu.Lock()
	defer mu.Unlock()
	require.Greater(t, len(confirmed), goroutines*each/4)
	for len(confirmed) > 0 {
		msg := receive(t, sub)
		delete(confirmed, msg.Properties().ID)
		require.NoError(t, msg.Ack())
	}
}

// A message that the client does not report as confirmed may be stored.
func TestPublishesInDoubtMayBeStored(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("known")))
	require.NoError(t, ch.ExchangeDelete(x, false, false)) // behind the publisher's back

	tos := make([]processor.Destination, 40)
	for i := range tos {
		tos[i] = to(queue)
		if i == 20 {
			tos[i] = processor.Destination{Exchange: x}
		}
	}
	confirmed, doubtful := 0, 0
	for i, err := range publishAll(t, b, tos) {
		if err == nil {
			require.NotEqual(t, 20, i)
			confirmed++
			continue
		}
		require.True(t, errors.Is(err, processor.ErrIndeterminate) || errors.Is(err, processor.ErrUnroutable), err)
		doubtful++
	}
	stored, err := b.Ready(within(t), queue)
	require.NoError(t, err)
	require.GreaterOrEqual(t, stored, 1+confirmed, "no success is a lie")
	require.LessOrEqual(t, stored, 1+confirmed+doubtful)
}

// It said that the deadline was exceeded, and not why it had waited.
func TestAPublishWithoutANodeSaysThatItWasNotSentAndWhy(t *testing.T) {
	t.Parallel()
	w := newWire()
	b := open(t, rabbitmqtest.Shared(t).URL(), w.option())
	w.cut(func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("the test dials nobody")
	})
	require.Eventually(t, func() bool { return b.Publishing().Ready() != nil }, patience, time.Millisecond)
	var err error
	require.Eventually(t, func() bool {
		err = b.Publisher().Publish(withinTime(t, 50*time.Millisecond), to("nowhere"), text("1"))
		return strings.Contains(err.Error(), "the test dials nobody")
	}, patience, time.Millisecond)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "not sent")
	require.NotErrorIs(t, err, processor.ErrIndeterminate)
}
