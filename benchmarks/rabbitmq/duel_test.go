package rabbitmq_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// duel is two clients, a queue, and a referee that counts.
type duel struct {
	url, queue      string
	referee         *amqp.Channel
	raw, challenger client
}

var duels atomic.Int64

func newDuel(tb testing.TB, kind broker.QueueType, challenger func(testing.TB, string) client) *duel {
	tb.Helper()
	url := rabbitmqtest.Shared(tb).URL()
	d := &duel{
		url:        url,
		queue:      fmt.Sprintf("work-%d", duels.Add(1)),
		referee:    channel(tb, dial(tb, url)),
		raw:        newRawClient(tb, url),
		challenger: challenger(tb, url),
	}
	// Declared here, so that neither side has to declare a topology.
	_, err := d.referee.QueueDeclare(d.queue, true, false, false, false, amqp.Table{"x-queue-type": string(kind)})
	require.NoError(tb, err)
	tb.Cleanup(func() {
		_, err := d.referee.QueueDelete(d.queue, false, false, false)
		require.NoError(tb, err)
	})
	return d
}

// prepare puts the task's initial messages into the queue.
func (d *duel) prepare(ctx context.Context, tb testing.TB, t task) {
	tb.Helper()
	_, err := d.referee.QueuePurge(d.queue, false)
	require.NoError(tb, err)
	if t.filled > 0 {
		require.NoError(tb, d.raw.publish(ctx, d.queue, t.filled, 64))
	}
}

// check counts what is left. Unacked messages are requeued by then.
func (d *duel) check(tb testing.TB, t task) {
	tb.Helper()
	require.Eventually(tb, func() bool { // a quorum queue counts a moment later
		q, err := d.referee.QueueDeclarePassive(d.queue, true, false, false, false, nil)
		require.NoError(tb, err)
		return t.left == q.Messages
	}, 10*time.Second, time.Millisecond)
}

func dial(tb testing.TB, url string) *amqp.Connection {
	tb.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, conn.Close()) })
	return conn
}

func channel(tb testing.TB, conn *amqp.Connection) *amqp.Channel {
	tb.Helper()
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}
