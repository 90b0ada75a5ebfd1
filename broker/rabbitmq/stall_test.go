package rabbitmq_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// stall is a network that stops delivering once a certain frame was sent.
type stall struct {
	frame   []byte // class and method
	armed   atomic.Bool
	stalled atomic.Bool
	resume  chan struct{}
}

// AMQP methods as they are on the wire: class and number.
var (
	basicQos     = []byte{0, 60, 0, 10, 0, 0, 0, 0}
	channelClose = []byte{0, 20, 0, 40}
)

func newStall(frame []byte) *stall { return &stall{frame: frame, resume: make(chan struct{})} }

func (s *stall) option() rabbitmq.Option {
	return rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &stallingConn{conn, s}, err
	}))
}

type stallingConn struct {
	net.Conn
	*stall
}

func (c *stallingConn) Write(b []byte) (int, error) {
	if c.armed.Load() && bytes.Contains(b, c.frame) {
		c.stalled.Store(true)
	}
	return c.Conn.Write(b)
}

func (c *stallingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.stalled.Load() {
		<-c.resume
	}
	return n, err
}

func TestSubscribeReturnsWhenItsContextEndsWhateverTheBrokerDoes(t *testing.T) {
	t.Parallel()
	node, network := rabbitmqtest.Start(t), newStall(basicQos)
	b := open(t, node.URL(), network.option())
	queue := declareQueue(t, node.URL(), nil)
	network.armed.Store(true)
	_, err := b.Source(queue).Subscribe(withinTime(t, 300*time.Millisecond), broker.SubscribeOptions{Prefetch: 5})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(network.resume)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	ready(t, b, queue, 1)
}

// The next generation is being opened while the subscription is closed. It must not go on
// consuming, or its messages stay unacked for as long as the connection lives.
func TestClosingWhileReconnectingLeavesNoConsumerBehind(t *testing.T) {
	t.Parallel()
	node, network := rabbitmqtest.Start(t), newStall(basicQos)
	b := open(t, node.URL(), network.option())
	queue := declareQueue(t, node.URL(), nil)
	sub := subscribe(t, b, queue, 5)
	network.armed.Store(true)
	node.CloseConnections(t, "test")
	require.Eventually(t, network.stalled.Load, patience, time.Millisecond)
	_ = sub.Close(withinTime(t, 200*time.Millisecond))
	network.armed.Store(false)
	network.stalled.Store(false)
	close(network.resume)

	other := open(t, node.URL())
	for range 5 {
		require.NoError(t, other.Publisher().Publish(within(t), to(queue), text("1")))
	}
	taking := subscribe(t, other, queue, 5)
	for range 5 {
		require.NoError(t, receive(t, taking).Ack())
	}
}

// swallowing is a connection on which frames of one kind get lost. All others arrive, and
// the heartbeats notice nothing.
type swallowing struct {
	net.Conn
	frame []byte
	armed *atomic.Bool
}

func (c swallowing) Write(b []byte) (int, error) {
	if c.armed.Load() && bytes.Contains(b, c.frame) {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// In the end the connection is cut. Otherwise the message would stay unacked for as long as the
// connection lives.
func TestAChannelWhoseGoodbyeIsNeverAnsweredGivesBackItsMessages(t *testing.T) {
	t.Parallel()
	url, armed := rabbitmqtest.Shared(t).URL(), new(atomic.Bool)
	b := open(t, url, rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return swallowing{conn, channelClose, armed}, err
	})))
	queue, other := declareQueue(t, url, nil), open(t, url)
	require.NoError(t, other.Publisher().Publish(within(t), to(queue), text("in hand")))
	sub := subscribe(t, b, queue, 1)
	receive(t, sub)
	armed.Store(true)
	require.ErrorIs(t, sub.Close(withinTime(t, 100*time.Millisecond)), context.DeadlineExceeded)
	require.Equal(t, "in hand", receive(t, subscribe(t, other, queue, 1)).Properties().ID)
}

func TestACancelledCloseLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	one, another := declareQueue(t, url, nil), declareQueue(t, url, nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(another), text("b")))
	msg := receive(t, subscribe(t, b, another, 1))
	sub := subscribe(t, b, one, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = sub.Close(ctx)
	require.NoError(t, sub.Close(within(t)), "it goes on in the background")
	require.NoError(t, msg.Ack())
}

// A nack replaces the channel. Publish does not wait for the answer to its close.
func TestAPublishDoesNotWaitForTheGoodbyeOfAChannel(t *testing.T) {
	t.Parallel()
	node, network := rabbitmqtest.Start(t), newStall(channelClose)
	b := open(t, node.URL(), network.option())
	full := declareQueue(t, node.URL(), amqp.Table{"x-max-length": int32(1), "x-overflow": "reject-publish"})
	require.NoError(t, b.Publisher().Publish(within(t), to(full), text("1")))
	network.armed.Store(true)
	defer close(network.resume)
	start := time.Now()
	for range 5 {
		if err := b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(full), text("2")); err != nil {
			break
		}
	}
	require.Less(t, time.Since(start), 5*time.Second)
}

// late is a network on which everything arrives two milliseconds late.
type late struct{ net.Conn }

func (l late) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	<-time.After(2 * time.Millisecond)
	return n, err
}

// A queue is deleted under busy workers. Their acks must not arrive after the channel.close: that
// would end the connection, and the other queue's message with it.
func TestAcksUnderwayWhenAChannelIsClosedLeaveTheConnectionAlone(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url, rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return late{conn}, err
	})))
	busy, other := name(t), declareQueue(t, url, nil)
	require.NoError(t, b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: busy}}}))
	require.NoError(t, b.Publisher().Publish(within(t), to(other), text("b")))
	ch := raw(t, url)
	for range 500 {
		require.NoError(t, ch.Publish("", busy, false, false, amqp.Publishing{}))
	}
	msg := receive(t, subscribe(t, b, other, 1))

	handled := make(chan struct{}, 1000)
	p, err := stack.New(ack.New()).ThenFunc(func(context.Context, processor.Message) error {
		handled <- struct{}{}
		<-time.After(3 * time.Millisecond) // a handler that takes its time
		return nil
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- must.Have(consumer.New(b.Source(busy), p, consumer.Workers(8), consumer.Prefetch(300),
			consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	for range 30 {
		<-handled
	}
	_, err = ch.QueueDelete(busy, false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return b.Publisher().Publish(within(t), to(busy), text("declared again")) == nil
	}, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool {
		n, err := b.Ready(within(t), busy)
		return err == nil && n == 0
	}, patience, 10*time.Millisecond)
	require.NoError(t, msg.Ack(), "of the other queue")
	cancel()
	require.NoError(t, <-done)
}
