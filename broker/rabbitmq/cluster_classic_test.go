package rabbitmq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

// A classic queue is gone with its node, until that is back. Whoever consumes from it waits,
// whoever publishes to it is told, and nobody else notices.
func testClassicQueueDown(t *testing.T, w *site) {
	t.Helper()
	s := w.start(t, 0, 0, 0)
	classic := name(t)
	_, err := raw(t, w.urls[1]).QueueDeclare(classic, true, false, false, false, nil)
	require.NoError(t, err)
	for _, n := range w.nodes {
		n.Sync(t)
	}
	require.NoError(t, s.broker.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: classic}}}))
	publish := func(id string) error {
		return s.broker.Publisher().Publish(withinTime(t, 5*time.Second), to(classic), text(id))
	}
	sub := subscribe(t, s.broker, classic, 10)
	require.NoError(t, publish("before"))
	require.NoError(t, receive(t, sub).Ack())

	s.harm(t, w, kill, 1)
	// At first it may be nacked, or not be answered.
	down := func() bool { return errors.Is(publish("meanwhile"), processor.ErrUnroutable) }
	require.Eventually(t, down, patience, 10*time.Millisecond)
	_, err = sub.Receive(withinTime(t, 300*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.books.Mark()
	// Channels that are opened now find it down.
	w.nodes[0].CloseConnections(t, "test")
	s.flows(t)
	require.True(t, down())
	_, err = sub.Receive(withinTime(t, 300*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	restart(t, w, w.nodes[1])
	require.Eventually(t, func() bool { return publish("after") == nil }, patience, 10*time.Millisecond)
	for came := ""; came != "after"; { // the acks of those before may be lost with the node
		msg := receive(t, sub)
		came = string(msg.Body())
		require.NoError(t, msg.Ack())
	}
	require.NoError(t, sub.Close(within(t)))
	s.finish(t)
	s.within(t, 5*time.Second)
	t.Log(s)
}
