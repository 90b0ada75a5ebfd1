package rabbitmq_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Each channel declared the topology for itself: 90 times 90 queues.
func TestNinetyConsumersThatReconnectDeclareOnce(t *testing.T) {
	t.Parallel()
	const consumers = 90
	var wire tap
	b := open(t, rabbitmqtest.Shared(t).URL(), wire.option())
	var topology broker.Topology
	for i := range consumers {
		topology.Queues = append(topology.Queues, broker.Queue{Name: fmt.Sprint(name(t), "-", i), Expires: time.Minute})
	}
	require.NoError(t, b.Declare(within(t), topology))
	for _, q := range topology.Queues {
		subscribe(t, b, q.Name, 1)
	}
	require.LessOrEqual(t, wire.count(queueDeclare), 3*consumers, "by Declare, by the first to subscribe, and again what was slow to answer")

	declared, consumed, start := wire.count(queueDeclare), wire.count(basicConsume), time.Now()
	wire.cut()
	require.Eventually(t, func() bool { return wire.count(basicConsume)-consumed >= consumers }, patience, time.Millisecond)
	t.Logf("%d consumers reconnected in %v with %d declares", consumers, time.Since(start).Round(time.Millisecond), wire.count(queueDeclare)-declared)
	require.LessOrEqual(t, wire.count(queueDeclare)-declared, 5*consumers, "one that was too early, or too late, begins anew")
}

// hasty is a network that is lost right after the answer that opens a channel.
type hasty struct{ armed atomic.Bool }

func (h *hasty) option() rabbitmq.Option {
	return rabbitmq.Failover(failover.Backoff(time.Millisecond, 5*time.Millisecond), failover.NetDialer(
		func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &hastyConn{Conn: conn, network: h}, err
		}))
}

type hastyConn struct {
	net.Conn

	network *hasty
	over    bool // of its one reader
}

// channelOpenOK is class 20, method 11.
var channelOpenOK = []byte{0, 20, 0, 11}

func (c *hastyConn) Read(b []byte) (int, error) {
	if c.over {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	c.over = bytes.Contains(b[:n], channelOpenOK) && c.network.armed.CompareAndSwap(true, false)
	return n, err
}

// A question that was never asked, because its channel was gone by then, was treated as unanswered.
// The queue stayed down for the rest of the session.
func TestAQuestionThatWasNeverAskedIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	var network hasty
	b := open(t, rabbitmqtest.Shared(t).URL(), network.option())
	q := expiring(name(t))
	for range 200 {
		network.armed.Store(true)
		_ = b.Declare(within(t), q) // on a channel of its own, which is lost
	}
	network.armed.Store(false)
	require.Eventually(t, func() bool { return b.Declare(within(t), q) == nil }, 5*time.Second, time.Millisecond)
}
