package rig

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/amqpwire"
)

// Raw returns a channel of the AMQP client.
func Raw(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	require.NoError(tb, err)
	return ch
}

// Get takes one message from a queue, and acks it. It has the headers that were published, without
// the publisher's tag.
func Get(tb testing.TB, ch *amqp.Channel, queue string) amqp.Delivery {
	tb.Helper()
	var d amqp.Delivery
	require.Eventually(tb, func() bool {
		var ok bool
		var err error
		d, ok, err = ch.Get(queue, true)
		return err == nil && ok
	}, Patience, 10*time.Millisecond)
	delete(d.Headers, amqpwire.HeaderTag)
	if len(d.Headers) == 0 {
		d.Headers = nil
	}
	return d
}
