//go:build unix

package rabbitmqtest_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// One after the other, on one node: each leaves it as it was, but for the last.
func TestFaults(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	t.Run("a paused node answers nothing until it is resumed", func(t *testing.T) {
		testPause(t, node)
	})
	t.Run("closed connections are told the reason", func(t *testing.T) {
		testCloseConnections(t, node)
	})
	t.Run("the memory alarm blocks publishers", func(t *testing.T) {
		testAlarm(t, node, node.SetMemoryAlarm)
	})
	t.Run("the disk alarm blocks publishers", func(t *testing.T) {
		testAlarm(t, node, node.SetDiskAlarm)
	})
	t.Run("the consumer timeout ends what holds a delivery", func(t *testing.T) {
		testConsumerTimeout(t, node)
	})
}

func testPause(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	ch := channel(t, dial(t, node.URL()))
	node.Pause(t)
	node.Pause(t) // works twice
	declared := make(chan error, 1)
	go func() {
		_, err := ch.QueueDeclare("later", true, false, false, false, nil)
		declared <- err
	}()
	select {
	case <-declared:
		t.Fatal("a paused node answered")
	case <-time.After(300 * time.Millisecond):
	}
	node.Resume(t)
	require.NoError(t, receive(t, declared))
}

func testCloseConnections(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	closed := dial(t, node.URL()).NotifyClose(make(chan *amqp.Error, 1))
	node.CloseConnections(t, `maintenance, "soon"`)
	err := receive(t, closed)
	require.Equal(t, amqp.ConnectionForced, err.Code)
	require.Contains(t, err.Reason, `maintenance, "soon"`)
}

func testAlarm(t *testing.T, node *rabbitmqtest.Node, set func(rabbitmqtest.TB, bool)) {
	t.Helper()
	conn := dial(t, node.URL())
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
	ch := channel(t, conn)
	set(t, true)
	require.NoError(t, ch.PublishWithContext(t.Context(), "", "nowhere", false, false, amqp.Publishing{}))
	require.True(t, receive(t, blockings).Active)
	set(t, false)
	require.False(t, receive(t, blockings).Active)
}

// The effect depends on the version: see [rabbitmqtest.Node.SetConsumerTimeout].
func testConsumerTimeout(t *testing.T, node *rabbitmqtest.Node) {
	t.Helper()
	node.SetConsumerTimeout(t, time.Second)
	ch := channel(t, dial(t, node.URL()))
	_, err := ch.QueueDeclare("work", true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
	put(t, node.URL(), "work", "hello")
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	cancelled := ch.NotifyCancel(make(chan string, 1))
	_, err = ch.Consume("work", "held", false, false, false, false, nil)
	require.NoError(t, err)
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		require.Equal(t, "held", receive(t, cancelled))
	} else {
		require.Equal(t, amqp.PreconditionFailed, receive(t, closed).Code)
	}
}
