//go:build unix

package rabbitmqtest_test

import (
	"crypto/rand"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// quorumQueue declares a queue with a replica on each node, which survives a kill.
func quorumQueue(t *testing.T, c *rabbitmqtest.Cluster) string {
	t.Helper()
	queue := `it's "quorum" ` + rand.Text()
	_, err := channel(t, dial(t, c.URLs()[0])).QueueDeclare(queue, true, false, false, false,
		amqp.Table{"x-queue-type": "quorum"})
	require.NoError(t, err)
	c.AwaitQuorum(t, queue)
	for _, n := range c.Nodes() {
		n.Sync(t)
	}
	return queue
}

// put publishes a message to the queue until it is confirmed. A channel whose queue has
// just got a new leader may get nacks, perhaps without end: each try has a new channel.
func put(t *testing.T, url, queue, body string) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for !confirmed(t, url, queue, body) {
		require.True(t, time.Now().Before(deadline), "not confirmed")
	}
}

func confirmed(t *testing.T, url, queue, body string) bool {
	t.Helper()
	ch := channel(t, dial(t, url))
	require.NoError(t, ch.Confirm(false))
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(t.Context(), "", queue, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
	require.NoError(t, err)
	select {
	case <-confirmation.Done():
		return confirmation.Acked()
	case <-time.After(soon / 5):
		return false
	}
}

// requireMessages requires that the queue delivers each message. A message that was published
// more than once may come more than once.
func requireMessages(t *testing.T, url, queue string, bodies ...string) {
	t.Helper()
	deliveries, err := channel(t, dial(t, url)).Consume(queue, "", false, false, false, false, nil)
	require.NoError(t, err)
	missing := bodies
	for len(missing) > 0 {
		body := string(receive(t, deliveries).Body)
		require.Contains(t, bodies, body)
		missing = slices.DeleteFunc(slices.Clone(missing), func(b string) bool { return b == body })
	}
}

// spy is a test that records its failure.
type spy struct {
	testing.TB
	message string
}

func (*spy) Helper() {}

func (s *spy) Fatalf(format string, args ...any) {
	s.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failure runs do, which fails the test, and returns the message.
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
