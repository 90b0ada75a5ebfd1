package rabbitmq_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// delayed is a queue that delays failed messages, and one that does not.
func delayed(tb testing.TB) (work string, t broker.Topology) {
	tb.Helper()
	work = name(tb)
	return work, broker.Topology{Queues: []broker.Queue{
		{Name: work + ".beside", Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
		{
			Name: work, Type: broker.Quorum, DeliveryLimit: 5, DeadLetter: &broker.DeadLetter{RoutingKey: work + ".beside"},
			DelayedRetry: &broker.DelayedRetry{Min: 300 * time.Millisecond, Max: 500 * time.Millisecond},
		},
	}}
}

// RabbitMQ delays retries from 4.3 on. Before, it takes the arguments and ignores them: failed
// messages were redelivered at once, 6 times within 10 ms (4.0.5 and 3.10.8).
func delays(tb testing.TB) bool {
	tb.Helper()
	return rabbitmqtest.Version(tb).AtLeast(4, 3)
}

func TestAServerThatWouldIgnoreADelayedRetryIsRefused(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	work, topology := delayed(t)
	checker, ok := b.Publisher().(broker.TopologyChecker)
	require.True(t, ok)
	if delays(t) {
		require.NoError(t, checker.CheckTopology(topology))
		require.NoError(t, b.Declare(within(t), topology))
		report, err := verify.Topology(within(t), b, topology)
		require.NoError(t, err)
		require.NoError(t, report.Err())
		return
	}
	require.ErrorIs(t, checker.CheckTopology(topology), broker.ErrUnsupported)
	require.ErrorIs(t, b.Declare(within(t), topology), broker.ErrUnsupported)
	require.ErrorIs(t, b.Redeclare(within(t), topology), broker.ErrUnsupported)
	for _, q := range []string{work, work + ".beside"} {
		_, err := b.Ready(within(t), q)
		require.ErrorIs(t, err, broker.ErrNoQueue, "nothing was declared")
	}
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: topology.Queues[:1]}), "the broker is of use all the same")
	report, err := verify.Topology(within(t), b, topology)
	require.NoError(t, err)
	var found []verify.Kind
	for _, f := range report.Findings {
		if f.Severity == verify.Fault {
			found = append(found, f.Kind)
		}
	}
	require.Equal(t, []verify.Kind{verify.Unsupported, verify.MissingQueue}, found)
}

// The same, by the arguments alone.
func TestArgumentsOfADelayedRetryAreRefusedToo(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	err := b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{
		Name: name(t), Type: broker.Quorum,
		Arguments: processor.Headers{"x-delayed-retry-type": "all", "x-delayed-retry-min": 300, "x-delayed-retry-max": 500},
	}}})
	if delays(t) {
		require.NoError(t, err)
	} else {
		require.ErrorIs(t, err, broker.ErrUnsupported)
	}
}

// A failed message is held, and the wait grows; a released one is redelivered at once, and does not
// count. The message knows which it was.
func TestADelayedRetryHoldsWhatFailed(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	work, topology := delayed(t)
	if !delays(t) {
		require.ErrorIs(t, b.Declare(within(t), topology), broker.ErrUnsupported)
		return
	}
	require.NoError(t, b.Declare(within(t), topology))
	sub := subscribe(t, b, work, 5)
	require.NoError(t, b.Publisher().Publish(within(t), to(work), text("mail")))
	for i, step := range []struct {
		settle func(processor.Message) error
		held   bool
		after  time.Duration
		count  any // of the next delivery
	}{
		{func(m processor.Message) error { return released(m).Release() }, false, 0, nil},
		{func(m processor.Message) error { return m.Nack(true) }, true, 300 * time.Millisecond, int64(1)},
		{func(m processor.Message) error { return released(m).Release() }, false, 0, int64(1)},
		{func(m processor.Message) error { return m.Nack(true) }, true, 500 * time.Millisecond, int64(2)},
		{processor.Message.Ack, false, 0, nil},
	} {
		msg := receive(t, sub)
		require.NoError(t, step.settle(msg))
		require.Equal(t, step.held, released(msg).Held(), i)
		if released(msg).Returned() {
			start := time.Now()
			next := receive(t, sub)
			require.GreaterOrEqual(t, time.Since(start)+2*time.Millisecond, step.after, i)
			if step.after == 0 {
				require.Less(t, time.Since(start), 300*time.Millisecond, i)
			}
			require.Equal(t, step.count, next.Headers()["x-delivery-count"], i)
			sub = &putBack{sub, released(next)}
		}
	}
}

func released(m processor.Message) *broker.Delivery { return m.(*broker.Delivery) } //nolint:forcetypeassert // a delivery

// putBack delivers one message first.
type putBack struct {
	broker.Subscription
	msg *broker.Delivery
}

func (p *putBack) Receive(ctx context.Context) (*broker.Delivery, error) {
	if msg := p.msg; msg != nil {
		p.msg = nil
		return msg, nil
	}
	return p.Subscription.Receive(ctx)
}

// Other values for an existing queue are a mismatch, and Verify names both.
func TestAnotherDelayedRetryIsADifference(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	work, topology := delayed(t)
	if !delays(t) {
		return // refused: see above
	}
	_, err := raw(t, url).QueueDeclare(work, true, false, false, false, amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int64(5)})
	require.NoError(t, err)
	b := open(t, url)
	require.ErrorIs(t, b.Declare(within(t), topology), broker.ErrMismatch)
	report, err := verify.Topology(within(t), b, topology)
	require.NoError(t, err)
	require.ErrorIs(t, report.Err(), verify.ErrNotAsPlanned)
	require.Contains(t, report.String(), "x-delayed-retry-min")
}

// A failover led to an older node, where failed messages were redelivered at once. (A proxy makes
// the node report an older version.)
func TestASubscriptionThatComesToAnOlderServerEnds(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	work, topology := delayed(t)
	url, older := aged(t, node.URL())
	b := open(t, url)
	if !delays(t) {
		require.ErrorIs(t, b.Declare(within(t), topology), broker.ErrUnsupported)
		return
	}
	require.NoError(t, b.Declare(within(t), topology))
	sub := subscribe(t, b, work, 5)
	older()
	_, err := sub.Receive(within(t))
	require.ErrorIs(t, err, broker.ErrUnsupported)
	_, err = b.Source(work).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 5})
	require.ErrorIs(t, err, broker.ErrUnsupported)
	require.NoError(t, b.Publisher().Publish(within(t), to(work), text("mail")), "that makes nothing come again")
	ready(t, b, work, 1)
}

// aged is a node behind a proxy. older cuts all connections, and makes the node greet with an older
// version from then on.
func aged(tb testing.TB, node string) (url string, older func()) {
	tb.Helper()
	u, err := amqp.ParseURI(node)
	require.NoError(tb, err)
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	p := &agingProxy{node: net.JoinHostPort(u.Host, strconv.Itoa(u.Port)), version: rabbitmqtest.Version(tb).String()}
	var serving sync.WaitGroup
	serving.Go(func() { p.serve(l) })
	tb.Cleanup(func() {
		_ = l.Close()
		p.cut(false)
		serving.Wait()
	})
	u.Port = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // TCP
	return u.String(), func() { p.cut(true) }
}

type agingProxy struct {
	node, version string

	mu    sync.Mutex
	old   bool
	conns []net.Conn
}

func (p *agingProxy) serve(l net.Listener) {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).Dial("tcp", p.node)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, client, server)
		old := p.old
		p.mu.Unlock()
		running.Go(func() { _, _ = io.Copy(server, client); _ = server.Close() })
		running.Go(func() { p.answer(client, server, old); _ = client.Close() })
	}
}

// answer passes on the node's data. Its version is at the beginning.
func (p *agingProxy) answer(client io.Writer, server io.Reader, old bool) {
	greeting := make([]byte, 8192)
	n, err := server.Read(greeting)
	if err != nil {
		return
	}
	greeting = greeting[:n]
	if old {
		greeting = bytes.Replace(greeting, []byte(p.version), []byte("4.0.9 of long ago")[:len(p.version)], 1)
	}
	if _, err := client.Write(greeting); err == nil {
		_, _ = io.Copy(client, server)
	}
}

func (p *agingProxy) cut(old bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.old = old
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}
