package failover_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// valve is a network whose answers can be held back.
type valve struct{ sync.Mutex }

func (v *valve) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &valvedConn{conn, v}, err
}

type valvedConn struct {
	net.Conn
	valve *valve
}

func (c *valvedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.valve.Lock()
	defer c.valve.Unlock()
	return n, err
}

func TestAChannelThatComesTooLateIsClosed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	var v valve
	s := session(t, dial(t, []string{node.URL()}, failover.NetDialer(v.dial)))

	v.Lock()
	_, err := s.Channel(limit(t, 50*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Eventually(t, func() bool { return channels(t, node) == 1 }, patience, 10*time.Millisecond, "the broker opens it")
	v.Unlock()

	require.Eventually(t, func() bool { return channels(t, node) == 0 }, patience, 10*time.Millisecond)
	requireWorks(t, s)
}

// The broker stops reading at the publish, and reads the request behind it only when
// the alarm is over.
func TestAQuestionLeftOpenWhileTheBrokerBlocksCostsNothing(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	var v valve
	s := session(t, dial(t, []string{node.URL()}, failover.NetDialer(v.dial), failover.AnswerTimeout(300*time.Millisecond)))
	publishes, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	node.SetMemoryAlarm(t, true)

	v.Lock()
	require.NoError(t, publishes.PublishWithContext(t.Context(), "", "nowhere", false, false, amqp.Publishing{}))
	opened := make(chan error)
	go func() {
		_, err := s.Channel(limit(t, time.Second))
		opened <- err
	}()
	time.AfterFunc(100*time.Millisecond, v.Unlock) // now the broker's connection.blocked arrives
	require.ErrorIs(t, <-opened, context.DeadlineExceeded)
	require.NoError(t, s.Err())

	node.SetMemoryAlarm(t, false)
	require.NoError(t, s.Unblocked(limit(t, patience)))
	requireWorks(t, s)
	require.Eventually(t, func() bool { return channels(t, node) == 1 }, patience, 10*time.Millisecond)
}

func TestTooManyChannelsLeaveTheSessionAlive(t *testing.T) {
	t.Parallel()
	s := session(t, dial(t, []string{rabbitmqtest.Shared(t).URL() + "?channel_max=1"}))
	channel, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	_, err = s.Channel(limit(t, patience))
	require.ErrorIs(t, err, amqp.ErrChannelMax)
	require.NotErrorIs(t, err, failover.ErrLost)
	require.NoError(t, channel.Close())
	requireWorks(t, s)
}

// channels counts the node's channels.
func channels(t *testing.T, node *rabbitmqtest.Node) int {
	t.Helper()
	n, err := strconv.Atoi(node.Eval(t, "length(rabbit_channel:list())"))
	require.NoError(t, err)
	return n
}
