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

	"github.com/gowarren/warren/broker"
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
	p, err := stack.New(
		ack.New(),
		retry.New(b.Publisher(), r.work+"-retry-%attempt%", retry.Retries(2), retry.ParkKey(r.parked)),
		recovery.New(),
	).ThenFunc(func(context.Context, processor.Message) error { return errors.New("mail server says no") })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- must.Have(consumer.New(b.Source(r.work), p, consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return r
}

// take gets one message with the client's own types, and settles it.
func take(t *testing.T, ch *amqp.Channel, queue string) amqp.Delivery {
	t.Helper()
	return get(t, ch, queue, true)
}

func get(t *testing.T, ch *amqp.Channel, queue string, settle bool) amqp.Delivery {
	t.Helper()
	var d amqp.Delivery
	require.Eventually(t, func() bool {
		var ok bool
		var err error
		d, ok, err = ch.Get(queue, settle)
		return err == nil && ok
	}, patience, 5*time.Millisecond, queue)
	return d
}

// On the wire: the count as PHP, Python and malicious senders write it.
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
		{2.0, r.parked, 2}, {float32(1), r.retry[1], 2}, // Swarrot goes on with floats
		{1.5, r.retry[0], 1},
		{true, r.retry[0], 1},
		{[]any{int64(2)}, r.retry[0], 1},
		{amqp.Table{"n": int64(2)}, r.retry[0], 1},
	} {
		require.NoError(t, ch.Publish("", r.work, true, false, amqp.Publishing{Headers: amqp.Table{retry.HeaderAttempts: tc.header}}))
		d := take(t, ch, tc.queue)
		require.Equal(t, tc.count, d.Headers[retry.HeaderAttempts], "%T %v: a 64-bit integer, as pecl writes it", tc.header, tc.header)
	}
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
	p, err := stack.New(ack.New(), retry.New(b.Publisher(), "", retry.Keys(func(int, processor.Message) string { return queue }), retry.Retries(5))).
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

// The queues of a schedule are those of its keys, also when it changes: messages waiting in an old
// queue come back.
func TestAScheduleThatChanges(t *testing.T) {
	t.Parallel()
	for _, kind := range []broker.QueueType{broker.Classic, broker.Quorum} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := open(t, rabbitmqtest.Shared(t).URL())
			work, parked := name(t), name(t)
			declare := func(key string, opts ...retry.Option) error {
				topology, err := retry.Topology(broker.Queue{Name: work, Type: kind}, work+key, append(opts, retry.ParkKey(parked), retry.Exchange(work+"-x"))...)
				require.NoError(t, err)
				return b.Declare(within(t), topology)
			}
			fail := func(key string, opts ...retry.Option) processor.Message {
				sub := subscribe(t, b, work, 1)
				p, err := stack.New(ack.New(), retry.New(b.Publisher(), work+key, append(opts, retry.ParkKey(parked), retry.Exchange(work+"-x"))...)).
					ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
				require.NoError(t, err)
				msg := receive(t, sub)
				require.NoError(t, p.Process(within(t), msg))
				require.NoError(t, sub.Close(within(t)))
				return msg
			}
			before, after := retry.Delays(300*time.Millisecond), retry.Delays(200*time.Millisecond, 100*time.Millisecond)
			require.NoError(t, declare("-%delay%", before))
			require.NoError(t, b.Publisher().Publish(within(t), to(work), text("1")))
			fail("-%delay%", before)
			require.NoError(t, declare("-%delay%", after), "with the old one's message on its way")
			for n := range 2 {
				count, _ := fail("-%delay%", after).Headers().Int64(retry.HeaderAttempts)
				require.Equal(t, int64(n+1), count)
			}
			ready(t, b, parked, 1)

			require.NoError(t, declare("-retry-%attempt%", before))
			require.ErrorIs(t, declare("-retry-%attempt%", after), broker.ErrMismatch, "what %delay% is for")
		})
	}
}
