package rabbitmq_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A classic queue is gone with its node, until that is back. Its consumers wait, publishes to it
// fail, and other queues do not notice.
func testClassicQueueDown(t *testing.T, w *site) {
	t.Helper()
	wire := newWire()
	s := w.start(t, 0, 0, 0, wire.dialer())
	queue := name(t)
	_, err := raw(t, w.urls[1]).QueueDeclare(queue, true, false, false, false, nil)
	require.NoError(t, err)
	for _, n := range w.nodes {
		n.Sync(t)
	}
	require.NoError(t, s.broker.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	c := &classic{broker: s.broker, queue: queue, outcomes: map[string]error{}}
	sub := subscribe(t, s.broker, queue, 10)
	requireWaiting := func() {
		_, err := sub.Receive(withinTime(t, 300*time.Millisecond))
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NoError(t, c.publish(t))
	require.NoError(t, receive(t, sub).Ack())

	s.harm(t, w, kill, 1)
	// At first it may be nacked, or not be answered.
	down := func() bool { return errors.Is(c.publish(t), isDown(t)) }
	require.Eventually(t, down, patience, 10*time.Millisecond)
	requireWaiting()
	s.books.Mark()
	// Channels that are opened now find it down.
	wire.cut((&net.Dialer{}).DialContext) // a node that closes them waits for answers that never come
	s.flows(t)
	require.True(t, down())
	requireWaiting()

	restart(t, w, w.nodes[1])
	require.Eventually(t, func() bool { return c.publish(t) == nil }, patience, 10*time.Millisecond)
	c.requireStored(t, sub)
	require.NoError(t, sub.Close(within(t)))
	s.finish(t)
	s.within(t, 5*time.Second)
	t.Log(s)
}

// isDown is the outcome of a publish to a classic queue whose node is down. 3.10 nacks at first,
// and then cannot route it; 4.x nacks.
func isDown(t *testing.T) error {
	t.Helper()
	if rabbitmqtest.Version(t).AtLeast(4, 0) {
		return processor.ErrRefused
	}
	return processor.ErrUnroutable
}

// classic is a queue, and the outcome of each message published to it.
type classic struct {
	broker   *rabbitmq.Broker
	queue    string
	outcomes map[string]error // by id
}

func (c *classic) publish(t *testing.T) error {
	t.Helper()
	id := strconv.Itoa(len(c.outcomes))
	err := c.broker.Publisher().Publish(withinTime(t, 5*time.Second), to(c.queue), text(id))
	c.outcomes[id] = err
	return err
}

// requireStored receives every message whose publish was a success, except the one received before,
// and none that could not be routed. That one may be redelivered: its ack can be lost with the
// node.
func (c *classic) requireStored(t *testing.T, sub broker.Subscription) {
	t.Helper()
	missing := map[string]bool{}
	for id, err := range c.outcomes {
		if err == nil && id != "0" {
			missing[id] = true
		}
	}
	require.NotEmpty(t, missing)
	for len(missing) > 0 {
		msg := receive(t, sub)
		id := msg.Properties().ID
		require.NotErrorIs(t, c.outcomes[id], processor.ErrUnroutable, "message %s", id)
		delete(missing, id)
		require.NoError(t, msg.Ack())
	}
}
