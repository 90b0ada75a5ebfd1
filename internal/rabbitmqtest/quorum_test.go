//go:build unix

package rabbitmqtest_test

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// quorumQueue declares a queue with a replica on each node.
func quorumQueue(t *testing.T, c *rabbitmqtest.Cluster) string {
	t.Helper()
	queue := `it's "quorum" ` + rand.Text()
	_, err := channel(t, dial(t, c.URLs()[0])).QueueDeclare(queue, true, false, false, false,
		amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
	return queue
}

// put publishes a message to the queue and waits for the confirm.
func put(t *testing.T, url, queue string) {
	t.Helper()
	ch := channel(t, dial(t, url))
	require.NoError(t, ch.Confirm(false))
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent})
	require.NoError(t, err)
	select {
	case <-confirmation.Done():
		require.True(t, confirmation.Acked())
	case <-time.After(soon):
		t.Fatal("not confirmed")
	}
}

// requireMessages requires that the queue gives n messages to a consumer, and no more.
func requireMessages(t *testing.T, url, queue string, n int) {
	t.Helper()
	ch := channel(t, dial(t, url))
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	for range n {
		require.NoError(t, receive(t, deliveries).Ack(false))
	}
	require.Empty(t, deliveries)
	_, ok, err := ch.Get(queue, false)
	require.NoError(t, err)
	require.False(t, ok, "a message too many")
}

// spy is a test that takes note of its failure.
type spy struct {
	testing.TB
	message string
}

func (*spy) Helper() {}

func (s *spy) Fatalf(format string, args ...any) {
	s.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failure runs what fails a test, and returns the message.
func failure(t *testing.T, do func(*spy)) string {
	t.Helper()
	s := &spy{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(s)
	}()
	<-done
	require.NotEmpty(t, s.message, "it did not fail")
	return s.message
}
