package rabbitmq_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// py-amqp writes integers of 2^31 and more with type L. The client answers by closing
// the connection, and the message stays first in its queue.
func TestAMessageThatTheClientCannotReadIsReportedAndNotHammeredAt(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	queue := declareQueue(t, node.URL(), nil)
	publishPoison(t, node.URL(), queue)

	log := &records{}
	b := open(t, node.URL(), rabbitmq.Logger(slog.New(log)))
	sub := subscribe(t, b, queue, 1)
	require.Eventually(t, func() bool { return log.count("first message of the queue") > 0 }, patience, 10*time.Millisecond)
	lost := log.count("consuming channel lost")
	require.LessOrEqual(t, lost, 10, "it backs off")

	_, err := raw(t, node.URL()).QueuePurge(queue, false)
	require.NoError(t, err)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("good")))
	require.NoError(t, receive(t, sub).Ack(), "once it is removed the others are delivered")
}

// publishPoison publishes through a proxy that changes the type of a header.
func publishPoison(t *testing.T, url, queue string) {
	t.Helper()
	uri, err := amqp.ParseURI(url)
	require.NoError(t, err)
	conn, err := amqp.DialConfig(url, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), network, addr)
		return forger{conn}, err
	}})
	require.NoError(t, err, uri.Host)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	confirm, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{Headers: amqp.Table{"poison": int64(1 << 40), "nested": nested(40)}})
	require.NoError(t, err)
	require.True(t, confirm.Wait())
}

// nested is a table in a table, and so on. From RabbitMQ 4.0 on a number of the type that the
// forger writes arrives as one that the client reads; it never reads so deep a table.
func nested(levels int) amqp.Table {
	if levels == 0 {
		return amqp.Table{}
	}
	return amqp.Table{"t": nested(levels - 1)}
}

type forger struct{ net.Conn }

func (f forger) Write(b []byte) (int, error) {
	return io.WriteString(f.Conn, strings.ReplaceAll(string(b), "\x06poisonl", "\x06poisonL"))
}

// records is a log handler that keeps its records.
type records struct {
	mu       sync.Mutex
	messages bytes.Buffer
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, rec slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages.WriteString(rec.Message + "\n")
	return nil
}

func (r *records) count(message string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.messages.String(), message)
}
