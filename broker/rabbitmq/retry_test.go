package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// retries runs a stack that fails on everything, retries twice and parks, and returns
// the names of its queues.
type retries struct {
	work, parked string
	retry        [2]string
}

func runRetries(t *testing.T, b *rabbitmq.Broker, url string) retries {
	t.Helper()
	r := retries{work: declareQueue(t, url, nil)}
	for i := range r.retry {
		r.retry[i] = r.work + "-retry-" + string(rune('1'+i))
		_, err := raw(t, url).QueueDeclare(r.retry[i], true, false, false, false, nil)
		require.NoError(t, err)
	}
	r.parked = declareQueue(t, url, nil)
	p, err := processor.NewStack(
		ack.New(),
		retry.New(b.Publisher(), r.work+"-retry-%attempt%", retry.Attempts(2), retry.FinalKey(r.parked)),
		recovery.New(),
	).ThenFunc(func(context.Context, processor.Message) error { return errors.New("mail server says no") })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- consumer.New(b.Source(r.work), p, consumer.Logger(slog.New(slog.DiscardHandler))).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return r
}

// take gets one message with the client's own types.
func take(t *testing.T, ch *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	var d amqp.Delivery
	require.Eventually(t, func() bool {
		var ok bool
		var err error
		d, ok, err = ch.Get(queue, true)
		return err == nil && ok
	}, patience, 5*time.Millisecond, queue)
	return d
}

// On the wire: what PHP, Python and ill-meaning senders write as the count.
func TestTheRetryCountAsOthersWriteIt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	r := runRetries(t, b, url)
	ch := raw(t, url)
	for _, tc := range []struct {
		header any
		queue  string
		count  int64
	}{
		{nil, r.retry[0], 1},
		{int64(1), r.retry[1], 2}, // pecl
		{int32(1), r.retry[1], 2}, // php-amqplib
		{int16(1), r.retry[1], 2},
		{int8(1), r.retry[1], 2},
		{byte(1), r.retry[1], 2},
		{"1", r.retry[1], 2},
		{int64(2), r.parked, 2},
		{int64(math.MaxInt64), r.parked, 2},
		{int64(-1), r.retry[0], 1},
		{"many", r.retry[0], 1},
		{2.0, r.retry[0], 1},
		{true, r.retry[0], 1},
		{[]any{int64(2)}, r.retry[0], 1},
		{amqp.Table{"n": int64(2)}, r.retry[0], 1},
	} {
		require.NoError(t, ch.Publish("", r.work, true, false, amqp.Publishing{Headers: amqp.Table{retry.HeaderAttempts: tc.header}}))
		d := take(t, ch, tc.queue)
		require.Equal(t, tc.count, d.Headers[retry.HeaderAttempts], "%T %v: a 64-bit integer, as pecl writes it", tc.header, tc.header)
	}
}

// A copy does not carry what belongs to the broker, or would harm it.
func TestWhatARetryPublishesOnTheWire(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	r := runRetries(t, b, url)
	elsewhere := declareQueue(t, url, nil)
	ch := raw(t, url)
	sent := amqp.Publishing{
		Body: []byte("hello"), MessageId: "id", CorrelationId: "corr", ReplyTo: "reply", Type: "type", AppId: "app",
		UserId: "guest", ContentType: "text/plain", ContentEncoding: "utf-8", Priority: 3,
		Timestamp: time.Unix(1_700_000_000, 0).UTC(), DeliveryMode: amqp.Transient, Expiration: "60000",
		Headers: amqp.Table{
			"app": int32(7), "nested": amqp.Table{"list": []any{int8(1), "two"}},
			"CC":      []any{elsewhere},
			"x-death": []any{amqp.Table{"queue": r.work, "reason": "expired", "count": int64(1_000_000), "exchange": "backoff"}},
		},
	}
	require.NoError(t, ch.Publish("", r.work, true, false, sent))
	take(t, ch, elsewhere) // the sender's own CC
	got := take(t, ch, r.retry[0])
	require.Equal(t, amqp.Table{
		"app": int32(7), "nested": amqp.Table{"list": []any{int8(1), "two"}},
		retry.HeaderAttempts: int64(1), "warren-original-exchange": "", "warren-original-routing-key": r.work,
	}, got.Headers)
	require.Equal(t, sent.Body, got.Body)
	require.Equal(t,
		[]any{sent.MessageId, sent.CorrelationId, sent.ReplyTo, sent.Type, sent.AppId, sent.ContentType, sent.ContentEncoding, sent.Priority, sent.Timestamp},
		[]any{got.MessageId, got.CorrelationId, got.ReplyTo, got.Type, got.AppId, got.ContentType, got.ContentEncoding, got.Priority, got.Timestamp.UTC()})
	require.Equal(t, amqp.Persistent, got.DeliveryMode)
	require.Empty(t, got.Expiration)
	require.Empty(t, got.UserId)
	ready(t, b, elsewhere, 0)

	got.Headers[retry.HeaderAttempts] = int64(2)
	require.NoError(t, ch.Publish("", r.work, true, false, amqp.Publishing{Headers: got.Headers}))
	parked := take(t, ch, r.parked)
	require.Equal(t, "mail server says no", parked.Headers["warren-error"])
	require.Equal(t, "*errors.errorString", parked.Headers["warren-error-type"])
	require.Equal(t, r.work, parked.Headers["warren-original-routing-key"])
	at, ok := parked.Headers["warren-failed-at"].(time.Time)
	require.True(t, ok)
	require.WithinDuration(t, time.Now(), at, time.Minute)
}

// The broker counts a reject toward a quorum queue's delivery limit. A message that is
// retried is published anew, and starts from nothing.
func TestRetriesOnAQuorumQueueDoNotUseUpItsDeliveryLimit(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, amqp.Table{"x-queue-type": "quorum", "x-delivery-limit": int32(1)})
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	sub := subscribe(t, b, queue, 1)
	p, err := processor.NewStack(ack.New(), retry.New(b.Publisher(), "", retry.Keys(func(int, processor.Message) string { return queue }), retry.Attempts(5))).
		ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
	require.NoError(t, err)
	for range 5 {
		require.NoError(t, p.Process(within(t), receive(t, sub)))
	}
	last := receive(t, sub)
	n, _ := last.Headers().Int64(retry.HeaderAttempts)
	require.Equal(t, int64(5), n)
	require.NotContains(t, last.Headers(), "x-delivery-count")
}
