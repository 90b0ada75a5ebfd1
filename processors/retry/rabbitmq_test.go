//go:build unix

package retry_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// byHand declares what Swarrot's example says, as its users do, but for a short first delay.
func byHand(t *testing.T, url string, first time.Duration) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.ExchangeDeclare("mail", "direct", true, false, false, false, nil))
	_, err = ch.QueueDeclare("mail", true, false, false, false, nil)
	require.NoError(t, err)
	require.NoError(t, ch.QueueBind("mail", "mail", "mail", false, nil))
	require.NoError(t, ch.ExchangeDeclare("retry", "direct", true, false, false, false, nil))
	for name, ttl := range map[string]time.Duration{"mail_retry_1": first, "mail_retry_2": 3 * time.Minute, "mail_retry_3": 30 * time.Minute} {
		_, err = ch.QueueDeclare(name, true, false, false, false, amqp.Table{
			"x-message-ttl":             int32(ttl.Milliseconds()), // as PHP writes it
			"x-dead-letter-exchange":    "mail",
			"x-dead-letter-routing-key": "mail",
		})
		require.NoError(t, err)
		require.NoError(t, ch.QueueBind(name, name, "retry", false, nil))
	}
}

// The queues of the example of Swarrot's RetryProcessor, declared by hand: a stack with the same names asks for
// the same queues, and a message that fails comes back.
func TestTheQueuesOfSwarrotsExample(t *testing.T) {
	t.Parallel()
	const first = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	url := rabbitmqtest.Shared(t).URL()
	byHand(t, url, first)
	b, err := rabbitmq.Open(ctx, []string{url}, rabbitmq.Logger(quiet))
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(ctx))) }()

	var begun time.Time
	var took time.Duration
	var attempts atomic.Int64
	pipeline, err := stack.New(ack.New(),
		retry.New(b.Publisher(), "mail_retry_%attempts%", retry.Exchange("retry"), retry.Logger(quiet),
			retry.Return(broker.Exchange{Name: "mail"}, "mail"),
			retry.Delays(first, 3*time.Minute, 30*time.Minute)),
		recovery.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		if attempts.Add(1) == 1 {
			begun = time.Now()
			return errors.New("not sent")
		}
		took = time.Since(begun)
		if origin := msg.Origin(); origin.Exchange != "mail" || origin.RoutingKey != "mail" {
			return processor.Stop(errors.New("it came back on another way: " + origin.Exchange))
		}
		return processor.ErrStop
	})
	require.NoError(t, err)
	topology, err := needs.Of(broker.Queue{Name: "mail"}, pipeline)
	require.NoError(t, err)
	require.NoError(t, b.Declare(ctx, topology), "no mismatch")
	require.NoError(t, b.Publisher().Publish(ctx, processor.Destination{Exchange: "mail", RoutingKey: "mail"}, processor.Envelope{}))
	require.NoError(t, must.Have(consumer.New(b.Source("mail"), pipeline, consumer.Logger(quiet))).Run(ctx))
	require.Equal(t, int64(2), attempts.Load())
	require.GreaterOrEqual(t, took, first)

	// Without the option the queues are others, and RabbitMQ says so.
	other, err := retry.Topology(broker.Queue{Name: "mail"}, "mail_retry_%attempts%", retry.Exchange("retry"), retry.Delays(first))
	require.NoError(t, err)
	require.ErrorIs(t, b.Declare(ctx, other), broker.ErrMismatch)
}
