//go:build unix

package rabbitmqtest_test

import (
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

const soon = 10 * time.Second

func TestSharedIsOneNode(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	require.Same(t, node, rabbitmqtest.Shared(t))
	dial(t, node.URL())
}

func TestRestartKeepsDataAndURL(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for name, end := range map[string]func(testing.TB){"killed": node.Kill, "stopped": node.Stop} {
		url := node.URL()
		publish(t, url, name)
		end(t)
		end(t) // works twice
		requireSilent(t, node.Addresses()[0])
		node.Restart(t)
		require.Equal(t, url, node.URL())
		require.Equal(t, 1, ready(t, url, name))
	}
	node.Restart(t) // a running node is stopped first
	dial(t, node.URL())
}

func TestNodeGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var node *rabbitmqtest.Node
	t.Run("inner", func(t *testing.T) { node = rabbitmqtest.Start(t) })
	for _, address := range node.Addresses() {
		requireSilent(t, address)
	}
	require.NoDirExists(t, node.Directory())
}

func TestPauseHangsUntilResume(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	ch := channel(t, dial(t, node.URL()))
	node.Pause(t)
	opened := make(chan error, 1)
	go func() {
		_, err := ch.QueueDeclare("later", true, false, false, false, nil)
		opened <- err
	}()
	select {
	case <-opened:
		t.Fatal("a paused node answered")
	case <-time.After(300 * time.Millisecond):
	}
	node.Resume(t)
	require.NoError(t, receive(t, opened))
}

func TestCloseConnectionsTellsTheReason(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	closed := dial(t, node.URL()).NotifyClose(make(chan *amqp.Error, 1))
	node.CloseConnections(t, `maintenance, "soon"`)
	err := receive(t, closed)
	require.Equal(t, amqp.ConnectionForced, err.Code)
	require.Contains(t, err.Reason, `maintenance, "soon"`)
}

func TestAlarmsBlockPublishers(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	for name, set := range map[string]func(testing.TB, bool){
		"memory": node.SetMemoryAlarm,
		"disk":   node.SetDiskAlarm,
	} {
		conn := dial(t, node.URL())
		blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
		ch := channel(t, conn)
		set(t, true)
		require.NoError(t, ch.PublishWithContext(t.Context(), "", "nowhere", false, false, amqp.Publishing{}))
		require.Truef(t, receive(t, blockings).Active, "%s alarm", name)
		set(t, false)
		require.Falsef(t, receive(t, blockings).Active, "%s alarm", name)
	}
}

func TestConsumerTimeoutClosesTheChannel(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	node.SetConsumerTimeout(t, time.Second)
	publish(t, node.URL(), "work")
	ch := channel(t, dial(t, node.URL()))
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	_, err := ch.Consume("work", "", false, false, false, false, nil)
	require.NoError(t, err)
	require.Equal(t, amqp.PreconditionFailed, receive(t, closed).Code)
}

func TestHeartbeatIsProposed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t, rabbitmqtest.Heartbeat(7*time.Second), rabbitmqtest.Config("channel_max = 11"))
	conn, err := amqp.DialConfig(node.URL(), amqp.Config{Heartbeat: time.Minute})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.Equal(t, 7*time.Second, conn.Config.Heartbeat)
	require.Equal(t, uint16(11), conn.Config.ChannelMax)
}

func TestUsersAndVhosts(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	node.AddVhost(t, "a/b c")
	dial(t, node.URLFor("guest", "guest", "a/b c"))
	node.AddUser(t, "mallory", "p@ss:w/rd", "a/b c")
	dial(t, node.URLFor("mallory", "p@ss:w/rd", "a/b c"))
	_, err := amqp.Dial(node.URLFor("mallory", "p@ss:w/rd", "/"))
	require.Error(t, err)
}

func dial(t *testing.T, url string) *amqp.Connection {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.CloseDeadline(time.Now().Add(time.Second)) })
	return conn
}

func channel(t *testing.T, conn *amqp.Connection) *amqp.Channel {
	t.Helper()
	ch, err := conn.Channel()
	require.NoError(t, err)
	return ch
}

// publish declares a durable queue and puts one persistent message in it.
func publish(t *testing.T, url, queue string) {
	t.Helper()
	ch := channel(t, dial(t, url))
	require.NoError(t, ch.Confirm(false))
	_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
	require.NoError(t, err)
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("hello")})
	require.NoError(t, err)
	require.True(t, confirmation.Wait())
}

func ready(t *testing.T, url, queue string) int {
	t.Helper()
	q, err := channel(t, dial(t, url)).QueueDeclarePassive(queue, true, false, false, false, nil)
	require.NoError(t, err)
	return q.Messages
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(soon):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// requireSilent requires that nobody listens on address.
func requireSilent(t *testing.T, address string) {
	t.Helper()
	require.Eventually(t, func() bool { return !listening(address) }, soon, 10*time.Millisecond, address)
}

func listening(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
