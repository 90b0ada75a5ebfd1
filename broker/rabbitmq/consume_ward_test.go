package rabbitmq_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
)

// ward is a consumer under observation. An outsider with a connection of its own publishes the
// messages and watches the queue.
type ward struct {
	url    string
	queue  string
	broker *rabbitmq.Broker
	log    *records // the broker's

	prefetch int
	cancel   context.CancelFunc
	result   chan error

	mu    sync.Mutex
	sent  int
	times map[string]int // how often each message was processed
}

const wardPrefetch = 20

// newWard has a queue of the given kind that the broker under test does not declare.
func newWard(t *testing.T, url, kind string, opts ...rabbitmq.Option) *ward {
	t.Helper()
	w := &ward{url: url, prefetch: wardPrefetch, log: &records{}, times: map[string]int{}, result: make(chan error, 1)}
	w.queue = declareQueue(t, url, amqp.Table{"x-queue-type": kind})
	w.broker = open(t, url, append(opts, rabbitmq.Logger(slog.New(w.log)))...)
	return w
}

// fill makes the outsider publish n messages, and returns when the node has them.
func (w *ward) fill(t *testing.T, n int) {
	t.Helper()
	conn, err := amqp.Dial(w.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, ch.Confirm(false))
	var confirms []*amqp.DeferredConfirmation
	for range n {
		confirm, err := ch.PublishWithDeferredConfirm("", w.queue, true, false,
			amqp.Publishing{MessageId: fmt.Sprint(w.sent), DeliveryMode: amqp.Persistent})
		require.NoError(t, err)
		confirms = append(confirms, confirm)
		w.sent++
	}
	for _, c := range confirms {
		require.True(t, c.Wait())
	}
}

// consume starts four workers that take a millisecond for each message.
func (w *ward) consume(t *testing.T) {
	t.Helper()
	p, err := stack.New(ack.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		<-time.After(time.Millisecond)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.times[msg.Properties().ID]++
		return nil
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	t.Cleanup(cancel)
	c := must.Have(consumer.New(w.broker.Source(w.queue), p, consumer.Workers(4), consumer.Prefetch(w.prefetch),
		consumer.Logger(slog.New(slog.DiscardHandler))))
	go func() { w.result <- c.Run(ctx) }()
}

func (w *ward) processed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.times)
}

// reaches waits until n messages have been processed.
func (w *ward) reaches(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return w.processed() >= n }, patience, time.Millisecond, "%d of %d", w.processed(), n)
}

// losses is how many consuming channels were lost.
func (w *ward) losses() int { return w.log.count("consuming channel lost") }

// finish waits for every message, ends the consumer, and lets the outsider check the queue.
func (w *ward) finish(t *testing.T) {
	t.Helper()
	duplicates := w.end(t)
	require.LessOrEqual(t, duplicates, w.prefetch*w.losses(), "at most what was in the prefetch, for each loss")
}

// end is finish for a node that forgets acks. It returns how often messages were processed more
// than once.
func (w *ward) end(t *testing.T) (duplicates int) {
	t.Helper()
	w.reaches(t, w.sent)
	ready(t, w.broker, w.queue, 0) // one that was processed may have come back with its channel
	w.cancel()
	require.NoError(t, <-w.result)
	left, err := raw(t, w.url).QueueDeclarePassive(w.queue, true, false, false, false, nil)
	require.NoError(t, err)
	require.Zero(t, left.Messages, "what was not acked is back in the queue by now")
	w.mu.Lock()
	defer w.mu.Unlock()
	for n := range maps.Values(w.times) {
		duplicates += n - 1
	}
	t.Logf("%d messages, %d channels lost, %d duplicates", w.sent, w.losses(), duplicates)
	return duplicates
}
