package rabbitmq_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A returning node answers a few times before it is connected. Close is called at each of these
// moments.
func TestABrokerThatIsClosedWhileItsNodeComesBackStaysClosed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	var closedEarlier atomic.Int64
	const moments = 10 // the answers to two handshakes and their first questions
	for n := range int64(moments) {
		w := newWire()
		b := open(t, node.URL(), rabbitmq.Name(t.Name()), w.option(), rabbitmq.Failover(failover.StableAfter(0)))
		back, now, reads := make(chan struct{}), make(chan struct{}), new(atomic.Int64)
		w.cut(func(ctx context.Context, network, address string) (net.Conn, error) {
			select {
			case <-back:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &noticed{Conn: conn, reads: reads, at: n, now: now}, err
		})
		require.Eventually(t, func() bool { return b.Health() != nil }, patience, time.Millisecond)
		close(back)
		<-now
		if b.Health() != nil {
			closedEarlier.Add(1)
		}
		require.NoError(t, b.Close(within(t)))
		require.ErrorIs(t, b.Publisher().Publish(within(t), to("nowhere"), text("late")), processor.ErrClosed)
		require.Equal(t, failover.Closed, b.Publishing().State().Phase)
		require.Equal(t, failover.Closed, b.Consuming().State().Phase)
	}
	require.NotZero(t, closedEarlier.Load(), "Close came before it was connected")
	require.Eventually(t, func() bool {
		return !strings.Contains(node.Eval(t, "rabbit_networking:connection_info_all([client_properties])"), t.Name())
	}, patience, 100*time.Millisecond)
}

// noticed reports when it is about to deliver its nth answer, of all that share the count.
type noticed struct {
	net.Conn
	reads *atomic.Int64
	at    int64
	now   chan struct{}
}

func (c *noticed) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.reads.Add(1)-1 == c.at {
		close(c.now)
	}
	return n, err
}

// After failover.MaxRounds nothing is dialled any more, so there is nothing to wait for.
func TestABrokerThatHasGivenUpIsClosedForAll(t *testing.T) {
	t.Parallel()
	w := newWire()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url, w.option(), rabbitmq.Failover(failover.MaxRounds(1), failover.StableAfter(0)))
	queue := declareQueue(t, url, nil)
	sub := subscribe(t, b, queue, 1)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	receive(t, sub)
	w.cut(down)
	require.Eventually(t, func() bool {
		return b.Publishing().State().Phase == failover.Closed && b.Consuming().State().Phase == failover.Closed
	}, patience, time.Millisecond)

	for name, err := range map[string]error{
		"publish": b.Publisher().Publish(within(t), to(queue), text("2")),
		"receive": func() error { _, err := sub.Receive(within(t)); return err }(),
		"ready":   func() error { _, err := b.Ready(within(t), queue); return err }(),
	} {
		require.ErrorIs(t, err, processor.ErrClosed, name)
		require.ErrorIs(t, err, failover.ErrGaveUp, name)
	}
	require.ErrorIs(t, b.Health(), failover.ErrGaveUp)
	require.NoError(t, b.Close(within(t)))
}
