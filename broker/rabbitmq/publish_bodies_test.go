package rabbitmq_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// RabbitMQ closes the channel over a body that is too large, and the outcome of all that waited
// there was unknown.
func TestABodyThatIsTooLargeHarmsNoSibling(t *testing.T) {
	t.Parallel()
	const limit = 1_000_000
	node := rabbitmqtest.Start(t, rabbitmqtest.Config(fmt.Sprint("max_message_size = ", limit)))
	queue := declareQueue(t, node.URL(), nil)
	told := &told{what: []byte("is larger than configured max size")}
	b := open(t, node.URL(), told.option())
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("first")))
	publishing := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)

	errs := make([]error, 400)
	large := func(i int) bool { return i%40 == 20 }
	start := time.Now()
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			e := text(fmt.Sprint(i))
			if large(i) {
				e.Body = make([]byte, limit+1+i)
			}
			errs[i] = b.Publisher().Publish(within(t), to(queue), e)
		})
	}
	wg.Wait()
	t.Logf("%d in %v", len(errs), time.Since(start))
	for i, err := range errs {
		if large(i) {
			require.ErrorIs(t, err, processor.ErrTooLarge)
			require.NotErrorIs(t, err, processor.ErrIndeterminate)
		} else {
			require.NoError(t, err)
		}
	}
	ready(t, b, queue, 1+390)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), processor.Envelope{Body: make([]byte, limit)}), "the most there may be")

	batch := []processor.Envelope{text("1"), {Body: make([]byte, limit+1)}, text("3")}
	p, ok := b.Publisher().(processor.BatchPublisher)
	require.True(t, ok)
	for i, err := range p.PublishBatch(within(t), to(queue), batch) {
		require.ErrorIs(t, err, []error{processor.ErrSkipped, processor.ErrTooLarge, processor.ErrSkipped}[i])
	}
	ready(t, b, queue, 1+390+1)
	require.Eventually(t, func() bool {
		now := pid.FindAllString(node.Call(t, "rabbit_channel list []"), -1)
		return !slices.ContainsFunc(publishing, func(c string) bool { return !slices.Contains(now, c) })
	}, patience, 10*time.Millisecond, "the channel is still that of the first")
	require.Equal(t, int64(1), told.times.Load(), "the broker has closed a channel once, and it was not that one")
}

// told counts how often a broker says something.
type told struct {
	what  []byte
	times atomic.Int64
}

func (c *told) option() rabbitmq.Option {
	return rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return toldConn{conn, c}, err
	}))
}

type toldConn struct {
	net.Conn
	told *told
}

func (c toldConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.told.times.Add(int64(bytes.Count(b[:n], c.told.what)))
	return n, err
}
