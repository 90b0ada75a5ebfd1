//go:build unix

package rabbitmqtest_test

import (
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

const soon = 10 * time.Second

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

// requireSilent requires that address has no listener.
func requireSilent(t *testing.T, address string) {
	t.Helper()
	require.Eventually(t, func() bool { return !listening(t, address) }, soon, 10*time.Millisecond, address)
}

func listening(t *testing.T, address string) bool {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err == nil {
		_ = conn.Close()
	}
	return err == nil
}
