package rabbitmq_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// unsure is a connection that reports one write as failed although it was sent completely.
type unsure struct {
	net.Conn
	of     []byte // contained in that write
	failed *atomic.Bool
}

func (c unsure) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if bytes.Contains(b, c.of) && c.failed.CompareAndSwap(false, true) {
		err = errors.New("the write has failed")
	}
	return n, err
}

// The publisher does not publish again by itself: the message may be stored, as it is here.
func TestAWriteThatFailsLeavesADoubt(t *testing.T) {
	t.Parallel()
	url, failed := rabbitmqtest.Shared(t).URL(), new(atomic.Bool)
	b := open(t, url, rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return unsure{conn, []byte("in doubt"), failed}, err
	})))
	queue := declareQueue(t, url, nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("before")))
	require.ErrorIs(t, b.Publisher().Publish(within(t), to(queue), text("in doubt")), processor.ErrIndeterminate)
	require.True(t, failed.Load())
	require.Eventually(t, func() bool { // the connection takes a moment to end
		return b.Publisher().Publish(within(t), to(queue), text("after")) == nil
	}, patience, time.Millisecond)
	ready(t, b, queue, 3)
}
