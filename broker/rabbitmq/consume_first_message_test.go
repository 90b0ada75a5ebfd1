package rabbitmq_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Whatever it is that ends the connection, the message stays the first of its queue.
func TestAMessageThatEndsTheConnectionIsReportedAndNotHammeredAt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	queue := declareQueue(t, url, nil)
	require.NoError(t, raw(t, url).PublishWithContext(t.Context(), "", queue, true, false, amqp.Publishing{Body: poison}))

	log := &records{}
	b := open(t, url, rabbitmq.Logger(slog.New(log)), rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &allergic{Conn: conn}, err
	})))
	sub := subscribe(t, b, queue, 1)
	require.Eventually(t, func() bool { return log.count("first message of the queue") > 0 }, patience, 10*time.Millisecond)
	require.ErrorIs(t, b.Health(), rabbitmq.ErrFirstMessage)
	require.ErrorContains(t, b.Health(), queue)
	require.LessOrEqual(t, log.count("consuming channel lost"), 10, "it backs off")

	_, err := raw(t, url).QueuePurge(queue, false)
	require.NoError(t, err)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("good")))
	require.NoError(t, receive(t, sub).Ack(), "once it is removed the others are delivered")
}

var poison = []byte("poison")

// allergic is a connection that ends when it reads the poison.
type allergic struct {
	net.Conn

	ended bool
}

func (a *allergic) Read(b []byte) (int, error) {
	if a.ended {
		return 0, errors.New("poison")
	}
	n, err := a.Conn.Read(b)
	if before, _, found := bytes.Cut(b[:n], poison); found {
		a.ended = true
		return len(before), nil
	}
	return n, err
}
