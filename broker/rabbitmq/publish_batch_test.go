package rabbitmq_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func publishBatch(ctx context.Context, t *testing.T, b *rabbitmq.Broker, queue string, batch []processor.Envelope) []error {
	t.Helper()
	p, ok := b.Publisher().(processor.BatchPublisher)
	require.True(t, ok)
	return p.PublishBatch(ctx, to(queue), batch)
}

func numbered(n int) []processor.Envelope {
	batch := make([]processor.Envelope, n)
	for i := range batch {
		batch[i] = text(fmt.Sprint(i))
	}
	return batch
}

func TestABatchKeepsItsOrder(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	const n = 3000 // more than may be in flight on a channel
	require.Nil(t, publishBatch(within(t), t, b, queue, numbered(n)))

	sub := subscribe(t, b, queue, 100)
	for i := range n {
		msg := receive(t, sub)
		require.Equal(t, fmt.Sprint(i), msg.Properties().ID)
		require.NoError(t, msg.Ack())
	}
}

func TestAnEmptyBatchIsPublished(t *testing.T) {
	t.Parallel()
	require.Nil(t, publishBatch(within(t), t, open(t, rabbitmqtest.Shared(t).URL()), "nowhere", nil))
}

// Each of them waits for slots on the channel while it holds some.
func TestBatchesTogetherLargerThanTheChannelDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for _, err := range publishBatch(within(t), t, b, queue, numbered(700)) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	ready(t, b, queue, 6*700)
}

func TestNothingOfABatchIsSentIfOneMessageCannotBe(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	batch := numbered(3)
	batch[1].ID = strings.Repeat("x", 300)

	errs := publishBatch(within(t), t, b, queue, batch)
	require.Len(t, errs, 3)
	require.ErrorIs(t, errs[1], processor.ErrTooLarge)
	for _, i := range []int{0, 2} {
		require.ErrorIs(t, errs[i], processor.ErrSkipped)
	}
	require.Nil(t, publishBatch(within(t), t, b, queue, numbered(1)))
	ready(t, b, queue, 1)
}

// The connection's own limits were checked only after the messages before had been sent.
func TestNothingOfABatchIsSentIfTheConnectionMayNotSendOneMessage(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	batch := numbered(4)
	batch[2].UserID = "somebody else"

	errs := publishBatch(within(t), t, b, queue, batch)
	require.Len(t, errs, 4)
	require.ErrorIs(t, errs[2], processor.ErrForbidden)
	for _, i := range []int{0, 1, 3} {
		require.ErrorIs(t, errs[i], processor.ErrSkipped)
	}
	require.Nil(t, publishBatch(within(t), t, b, queue, numbered(1)))
	ready(t, b, queue, 1)
}

func TestEachMessageOfABatchHasItsOutcome(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)

	errs := publishBatch(within(t), t, b, name(t), numbered(2))
	require.Len(t, errs, 2)
	for _, err := range errs {
		require.ErrorIs(t, err, processor.ErrUnroutable)
	}

	// A nack has the channel replaced, which ends a batch that is on it. So this one is the last.
	full := declareQueue(t, url, amqp.Table{"x-max-length": 2, "x-overflow": "reject-publish"})
	errs = publishBatch(within(t), t, b, full, numbered(4))
	require.Len(t, errs, 4)
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	require.ErrorIs(t, errs[3], processor.ErrRefused)
}

func TestABatchEndsWithItsContext(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	errs := publishBatch(ctx, t, b, queue, numbered(2))
	require.Len(t, errs, 2)
	require.ErrorIs(t, errs[0], context.Canceled)
	require.ErrorIs(t, errs[1], processor.ErrSkipped)
	ready(t, b, queue, 0)
}

// The stored messages are the beginning of the batch, and each success is true. A batch of which all that
// was sent is confirmed goes on with the next channel, so that some tries may be needed.
func TestABatchThatLosesItsChannelLeavesNoGap(t *testing.T) {
	t.Parallel()
	w := newWire()
	b := open(t, rabbitmqtest.Shared(t).URL(), w.option())
	for range 20 {
		if batchCutInTheMiddle(t, b, w) {
			return
		}
	}
	require.Fail(t, "no message was under way when the connection was closed")
}

// batchCutInTheMiddle reports whether a batch ended with its connection.
func batchCutInTheMiddle(t *testing.T, b *rabbitmq.Broker, w *wire) bool {
	t.Helper()
	queue := declareQueue(t, rabbitmqtest.Shared(t).URL(), nil)
	const n = 10_000
	result := make(chan []error, 1)
	p, ok := b.Publisher().(processor.BatchPublisher)
	require.True(t, ok)
	before := w.writes()
	go func() { result <- p.PublishBatch(within(t), to(queue), numbered(n)) }()
	// By then the broker has most of a thousand: no more are sent without an answer.
	require.Eventually(t, func() bool { return w.writes() > before+1000 }, patience, time.Millisecond)
	w.cut((&net.Dialer{}).DialContext)
	errs := <-result
	whole := len(errs) == 0
	if whole {
		errs = make([]error, n)
	}

	stored, err := b.Ready(within(t), queue)
	require.NoError(t, err)
	require.Greater(t, stored, 500)
	sub := subscribe(t, b, queue, 1000)
	for i := range stored {
		msg := receive(t, sub)
		require.Equal(t, fmt.Sprint(i), msg.Properties().ID)
		require.NoError(t, msg.Ack())
	}
	require.Len(t, errs, n)
	for i, err := range errs[stored:] {
		require.Error(t, err, "message %d is not stored", stored+i)
	}
	return !whole
}

// The others were answered and held all slots on the channel, so that no other publish could start.
func TestOneMessageOfABatchThatIsNotAnsweredHoldsUpNothing(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	b := open(t, node.URL())
	silent, fine, x := declareQueue(t, node.URL(), nil), declareQueue(t, node.URL(), nil), name(t)
	ch := raw(t, node.URL())
	require.NoError(t, ch.ExchangeDeclare(x, "headers", false, true, false, false, nil))
	for queue, is := range map[string]bool{silent: true, fine: false} {
		require.NoError(t, ch.QueueBind(queue, "", x, false, amqp.Table{"silent": is, "x-match": "all"}))
	}
	const n = 3000 // more than may be in flight on a channel
	batch := numbered(n)
	for i := range batch {
		batch[i].Headers = processor.Headers{"silent": i == 1}
	}
	tell(t, node, silent, "suspend")
	result := make(chan []error, 1)
	p, ok := b.Publisher().(processor.BatchPublisher)
	require.True(t, ok)
	go func() { result <- p.PublishBatch(within(t), processor.Destination{Exchange: x}, batch) }()
	ready(t, b, fine, n-1)
	require.NoError(t, b.Publisher().Publish(within(t), to(fine), text("somebody else's")))
	tell(t, node, silent, "resume")
	require.Nil(t, <-result)
}
