package redelivery_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/redelivery"
)

// rounds are the times at which the handler received a message.
type rounds struct {
	mu sync.Mutex
	at []time.Time
}

func (r *rounds) note() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = append(r.at, time.Now())
}

// waits are the times between them.
func (r *rounds) waits() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for i := range len(r.at) - 1 {
		all = append(all, r.at[i+1].Sub(r.at[i]))
	}
	return all
}

var options = []redelivery.Option{
	redelivery.Retries(4), redelivery.Wait(100*time.Millisecond, 250*time.Millisecond), redelivery.Logger(quiet),
}

var schedule = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 250 * time.Millisecond, 250 * time.Millisecond}

// run consumes a work queue whose handler is f until a message is parked, and returns that.
func run(t *testing.T, b broker.Broker, work, parked string, f processor.ProcessorFunc) processor.Message {
	t.Helper()
	p, err := stack.New(ack.New(), redelivery.New(b.Publisher(), parked, options...), recovery.New()).Then(f)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- must.Have(consumer.New(b.Source(work), p, consumer.Logger(quiet))).Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{Body: []byte("hello")}))
	sub, err := b.Source(parked).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(context.WithoutCancel(t.Context()))) }()
	limited, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	msg, err := sub.Receive(limited)
	require.NoError(t, err)
	require.NoError(t, msg.Ack())
	return msg
}

func declared(t *testing.T, b broker.Broker, work, parked string) {
	t.Helper()
	topology, err := redelivery.Topology(broker.Queue{Name: work}, parked, options...)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), topology))
}

func TestTheScheduleIsTheQueues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		declared(t, b, work, parked)
		var r rounds
		msg := run(t, b, work, parked, func(context.Context, processor.Message) error { r.note(); return errMail })
		require.Equal(t, schedule, r.waits(), "and not a millisecond of the consumer's own")
		require.Equal(t, int64(5), msg.Headers()["warren-failures"])
	})
}

// open returns a broker on the shared node, nil if the server has no delayed retries, which come
// with RabbitMQ 4.3, and refuses them.
func open(t *testing.T) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), []string{rabbitmqtest.Shared(t).URL()}, rabbitmq.Logger(quiet))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		return b
	}
	topology, err := redelivery.Topology(broker.Queue{Name: t.Name()}, t.Name()+".parked", options...)
	require.NoError(t, err)
	require.ErrorIs(t, b.Declare(t.Context(), topology), broker.ErrUnsupported)
	_, err = stack.New(redelivery.New(b.Publisher(), t.Name()+".parked", options...)).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.ErrorIs(t, err, broker.ErrUnsupported)
	return nil
}

func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	b := open(t)
	if b == nil {
		return
	}
	work, parked := t.Name(), t.Name()+".parked"
	declared(t, b, work, parked)
	var r rounds
	msg := run(t, b, work, parked, func(context.Context, processor.Message) error { r.note(); return errMail })
	waits := r.waits()
	require.Len(t, waits, len(schedule))
	for i, want := range schedule {
		require.GreaterOrEqual(t, waits[i], want-2*time.Millisecond, waits)
	}
	require.Equal(t, int64(5), msg.Headers()["warren-failures"])
	require.NotContains(t, msg.Headers(), "x-death")
}

// A message that kills its worker never reaches the layer's end. The queue parks it, after each
// death of a connection has made it wait longer.
func TestAMessageThatKillsItsWorkerIsParkedByTheQueue(t *testing.T) {
	t.Parallel()
	b := open(t)
	if b == nil {
		return
	}
	work, parked := t.Name(), t.Name()+".parked"
	own := []redelivery.Option{redelivery.Retries(1), redelivery.Wait(100*time.Millisecond, 250*time.Millisecond), redelivery.Logger(quiet)}
	topology, err := redelivery.Topology(broker.Queue{Name: work, DeliveryLimit: 3}, parked, own...)
	require.NoError(t, err)
	var r rounds
	killer, err := rabbitmq.Open(t.Context(), []string{rabbitmqtest.Shared(t).URL()}, rabbitmq.Logger(quiet))
	require.NoError(t, err)
	t.Cleanup(func() { _ = killer.Close(context.WithoutCancel(t.Context())) })
	require.NoError(t, killer.Declare(t.Context(), topology))
	p, err := stack.New(ack.New(), redelivery.New(killer.Publisher(), parked, own...)).
		ThenFunc(func(ctx context.Context, _ processor.Message) error {
			r.note()
			session, err := killer.Consuming().Session(ctx)
			if err == nil {
				session.Abort(errors.New("crash")) // as the end of the process does
			}
			<-ctx.Done()
			return ctx.Err()
		})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- must.Have(consumer.New(killer.Source(work), p, consumer.Logger(quiet))).Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: work}, processor.Envelope{Body: []byte("hello")}))
	sub, err := b.Source(parked).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	limited, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	msg, err := sub.Receive(limited)
	require.NoError(t, err)
	require.NoError(t, msg.Ack())
	require.NoError(t, sub.Close(t.Context()))
	reason, _ := msg.Headers().String("x-first-death-reason")
	require.Equal(t, "delivery_limit", reason)
	waits := r.waits()
	require.Len(t, waits, 3)
	for i := range waits {
		require.GreaterOrEqual(t, waits[i], schedule[min(i, len(schedule)-1)]-2*time.Millisecond, waits)
	}
}
