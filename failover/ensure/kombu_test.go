package ensure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// The snippets of kombu's guide to failover, on real nodes. docs/from-kombu.md has the
// two side by side.

// kombu: Connection('amqp://guest:guest@broken.example.com;guest:guest@healthy.example.com').
func TestABrokenHostFirst(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	c := dial(t, []string{"amqp://guest:guest@broken.invalid;guest:guest@" + address(t, node)}, failover.ConnectTimeout(5*time.Second))
	require.Equal(t, address(t, node), session(t, c).Node())
	require.Len(t, c.State().Unreachable, 1)
	require.ErrorContains(t, c.State().Unreachable[0], "node broken.invalid:5672")
	require.NoError(t, ensure.Do(limit(t, patience), c, declare(t.Name())))
}

// kombu: conn.ensure(producer, producer.publish, errback=errback, max_retries=3), and
// Producer.publish(retry=True). The node dies between the publish and its confirm.
func TestTheNodeDiesInTheMiddleOfAPublish(t *testing.T) {
	t.Parallel()
	dying, healthy := rabbitmqtest.Start(t), rabbitmqtest.Shared(t)
	queue := t.Name()
	c := dial(t, []string{dying.URL(), healthy.URL()})
	tries := 0
	var told []error
	err := ensure.Do(limit(t, patience), c, func(ctx context.Context, channel *amqp.Channel) error {
		tries++
		if _, err := channel.QueueDeclare(queue, false, false, false, false, nil); err != nil {
			return err
		}
		if tries == 1 {
			dying.Kill(t)
		}
		return publish(ctx, channel, "", queue)
	}, ensure.Retries(3), ensure.OnError(func(err error, _ time.Duration) { told = append(told, err) }))
	require.NoError(t, err)
	require.Equal(t, 2, tries)
	require.Len(t, told, 1)
	require.Equal(t, address(t, healthy), session(t, c).Node())
	require.NoError(t, ensure.Do(limit(t, patience), c, func(_ context.Context, channel *amqp.Channel) error {
		_, got, err := channel.Get(queue, true)
		require.True(t, got)
		return errors.Join(err, drop(channel, queue))
	}))
}

// publish publishes with confirm, as an operation of Ensure has to.
func publish(ctx context.Context, channel *amqp.Channel, exchange, key string) error {
	if err := channel.Confirm(false); err != nil {
		return err
	}
	confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, exchange, key, true, false, amqp.Publishing{Body: []byte("hello")})
	if err != nil {
		return err
	}
	confirmed, err := confirm.WaitContext(ctx)
	if err == nil && !confirmed {
		err = fmt.Errorf("not confirmed: %w", ensure.ErrRetry)
	}
	return err
}

func drop(channel *amqp.Channel, queue string) error {
	_, err := channel.QueueDelete(queue, false, false, false)
	return err
}

// kombu: declare = conn.autoretry(q.declare); declare().
func TestDeclareThroughAutoRetry(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.Backoff(time.Millisecond, time.Millisecond))
	var channel *amqp.Channel
	for range 3 {
		var err error
		channel, err = ensure.AutoRetry(limit(t, patience), c, channel, declare(t.Name()))
		require.NoError(t, err)
		require.False(t, channel.IsClosed())
		session(t, c).Abort(nil)
	}
}

// kombu: consume = conn.ensure(conn, consume), around drain_events in a loop that never
// ends.
func TestAConsumerInEnsure(t *testing.T) {
	t.Parallel()
	queue := t.Name()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.Backoff(time.Millisecond, time.Millisecond))
	ctx, done := context.WithCancel(limit(t, patience))
	var mu sync.Mutex
	got := map[string]bool{}
	var consumer sync.WaitGroup
	consumer.Go(func() {
		err := ensure.Do(ctx, c, func(ctx context.Context, channel *amqp.Channel) error {
			if _, err := channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
				return err
			}
			deliveries, err := channel.ConsumeWithContext(ctx, queue, "", false, false, false, false, nil)
			if err != nil {
				return err
			}
			for d := range deliveries {
				mu.Lock()
				got[d.MessageId] = true
				mu.Unlock()
				_ = d.Ack(false)
			}
			return ensure.ErrRetry
		})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	for i := range 5 {
		id := fmt.Sprint(i)
		require.NoError(t, ensure.Do(ctx, c, func(ctx context.Context, channel *amqp.Channel) error {
			if _, err := channel.QueueDeclare(queue, true, false, false, false, nil); err != nil {
				return err
			}
			if err := channel.Confirm(false); err != nil {
				return err
			}
			confirm, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{MessageId: id, DeliveryMode: amqp.Persistent})
			if err != nil {
				return err
			}
			confirmed, err := confirm.WaitContext(ctx)
			if err == nil && !confirmed {
				err = ensure.ErrRetry
			}
			return err
		}))
		session(t, c).Abort(nil)
	}
	require.Eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == 5
	}, patience, 10*time.Millisecond)
	done()
	consumer.Wait()
	require.NoError(t, ensure.Do(limit(t, patience), c, func(_ context.Context, channel *amqp.Channel) error { return drop(channel, queue) }))
}

// The broker's errors for operations that no retry can fix.
func TestRefusalsOfARealNode(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	c := dial(t, []string{node.URL()}, failover.Backoff(time.Millisecond, time.Millisecond))
	queue := t.Name()
	require.NoError(t, ensure.Do(limit(t, patience), c, func(_ context.Context, channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(queue, false, true, false, false, nil)
		return err
	}))
	rows := []struct {
		name  string
		op    func(context.Context, *amqp.Channel) error
		code  int
		tries int
	}{
		{"no queue", func(_ context.Context, channel *amqp.Channel) error {
			_, err := channel.QueueDeclarePassive("none", false, false, false, false, nil)
			return err
		}, amqp.NotFound, 1},
		{"no exchange", func(ctx context.Context, channel *amqp.Channel) error {
			return publish(ctx, channel, "none", "x")
		}, amqp.NotFound, 1},
		{"reserved", func(_ context.Context, channel *amqp.Channel) error {
			return channel.ExchangeDeclare("amq.mine", "direct", false, false, false, false, nil)
		}, amqp.AccessRefused, 1},
		{"other arguments", func(_ context.Context, channel *amqp.Channel) error {
			_, err := channel.QueueDeclare(queue, false, false, false, false, nil)
			return err
		}, amqp.PreconditionFailed, 1},
		{"a key that fits no frame", func(ctx context.Context, channel *amqp.Channel) error {
			return publish(ctx, channel, "", strings.Repeat("k", 256))
		}, 0, 1}, // the client refuses it, in an error of no kind
		{"a tag that is taken", func(_ context.Context, channel *amqp.Channel) error {
			q, err := channel.QueueDeclare("", false, true, true, false, nil)
			for range 2 {
				if err == nil {
					_, err = channel.Consume(q.Name, "tag", false, false, false, false, nil)
				}
			}
			return err
		}, amqp.NotAllowed, 2},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			tries := 0
			err := ensure.Do(limit(t, patience), c, func(ctx context.Context, channel *amqp.Channel) error {
				tries++
				return row.op(ctx, channel)
			})
			require.Error(t, err)
			require.Equal(t, row.tries, tries)
			var reply *amqp.Error
			if row.code != 0 {
				require.ErrorAs(t, err, &reply)
				require.Equal(t, row.code, reply.Code, "%v", err)
			}
		})
	}
}
