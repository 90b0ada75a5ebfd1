package rabbitmq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// rawClient is amqp091-go, used with care: one connection to publish and one to consume, and a
// check for returned messages. It recovers from nothing.
type rawClient struct {
	publishing *amqp.Channel
	returns    chan amqp.Return
	consuming  *amqp.Connection
}

var _ client = (*rawClient)(nil)

func newRawClient(tb testing.TB, url string) client { tb.Helper(); return newRaw(tb, url) }

func newRaw(tb testing.TB, url string) *rawClient {
	tb.Helper()
	ch := channel(tb, dial(tb, url))
	require.NoError(tb, ch.Confirm(false))
	return &rawClient{
		publishing: ch,
		returns:    ch.NotifyReturn(make(chan amqp.Return, 1)),
		consuming:  dial(tb, url),
	}
}

func (r *rawClient) publish(ctx context.Context, queue string, n, goroutines int) error {
	return share(n, goroutines, func() error { return r.publishOne(ctx, queue) })
}

func (r *rawClient) publishOne(ctx context.Context, queue string) error {
	confirm, err := r.publishing.PublishWithDeferredConfirm("", queue, true, false, amqp.Publishing{
		Body: body, Headers: amqp.Table{"tenant": "acme"}, MessageId: "4711", DeliveryMode: amqp.Persistent,
	})
	if err != nil {
		return err
	}
	switch acked, err := confirm.WaitContext(ctx); {
	case err != nil:
		return err
	case !acked:
		return errors.New("not confirmed")
	case len(r.returns) > 0:
		return errors.New("returned")
	}
	return nil
}

func (r *rawClient) consume(ctx context.Context, queue string, n, goroutines int) (time.Time, error) {
	ch, err := r.consuming.Channel()
	if err != nil {
		return time.Time{}, err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return time.Time{}, err
	}
	deliveries, err := ch.Consume(queue, tag, false, false, false, false, nil)
	if err != nil {
		return time.Time{}, err
	}
	return r.work(ctx, ch, deliveries, n, goroutines)
}

const tag = "raw"

// work acks until there were n, and closes the channel to end the workers. It cancels first: a
// channel that is closed at once forgets acks that are on their way to a quorum queue.
func (r *rawClient) work(ctx context.Context, ch *amqp.Channel, deliveries <-chan amqp.Delivery, n, goroutines int) (time.Time, error) {
	last := make(chan time.Time, 1)
	var acked atomic.Int64
	var workers sync.WaitGroup
	for range goroutines {
		workers.Go(func() {
			for d := range deliveries {
				if d.Ack(false) == nil && acked.Add(1) == int64(n) {
					last <- time.Now()
				}
			}
		})
	}
	var end time.Time
	var err error
	select {
	case end = <-last:
	case <-ctx.Done():
		err = fmt.Errorf("acked %d of %d: %w", acked.Load(), n, ctx.Err())
	}
	err = errors.Join(err, ch.Cancel(tag, false), ch.Close())
	workers.Wait()
	return end, err
}

// share calls f n times, from that many goroutines.
func share(n, goroutines int, f func() error) error {
	var left atomic.Int64
	left.Store(int64(n))
	errs := make([]error, goroutines)
	var running sync.WaitGroup
	for i := range goroutines {
		running.Go(func() {
			for errs[i] == nil && left.Add(-1) >= 0 {
				errs[i] = f()
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}
