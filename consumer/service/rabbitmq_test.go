//go:build unix

package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

func open(t *testing.T, url string) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), []string{url}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	return b
}

func fill(t *testing.T, b broker.Broker, queue string, n int) {
	t.Helper()
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: queue}}}))
	for _, err := range processor.PublishBatch(t.Context(), b.Publisher(), processor.Destination{RoutingKey: queue}, make([]processor.Envelope, n)) {
		require.NoError(t, err)
	}
}

func deleteQueue(t *testing.T, url, queue string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete(queue, false, false, false)
	require.NoError(t, err)
}

const (
	wellHandlers = 7
	perHandler   = 1500
)

// well are handlers that count, and how long they took for all their messages once the service was ready.
func well(t *testing.T, b broker.Broker, round int) (handlers []service.Option, done <-chan struct{}) {
	t.Helper()
	var left atomic.Int64
	left.Store(wellHandlers * perHandler)
	all := make(chan struct{})
	for i := range wellHandlers {
		h := queue(fmt.Sprintf("well-%d-%d", round, i), func(context.Context, processor.Message) error {
			if left.Add(-1) == 0 {
				close(all)
			}
			return nil
		})
		h.Workers = 4
		fill(t, b, h.Queue.Name, perHandler)
		handlers = append(handlers, h)
	}
	return handlers, all
}

// ill are three handlers with trouble: one panics on each message, one takes its time, and one's queue is deleted.
// seen tells when the last one has got a message that was published after its queue was deleted.
func ill(t *testing.T, b broker.Broker, round int) (handlers []service.Option, deleted string, seen <-chan struct{}) {
	t.Helper()
	again := make(chan struct{})
	panics, slow, goes := fmt.Sprint("panics-", round), fmt.Sprint("slow-", round), fmt.Sprint("goes-", round)
	h := queue(panics, func(context.Context, processor.Message) error { panic("a bug") })
	h.Stack = stack.New(ack.New(), retry.New(b.Publisher(), panics+"_%delay%", retry.Delays(10*time.Millisecond), retry.ParkKey(panics+"_parked"),
		retry.Logger(slog.New(slog.DiscardHandler))), recovery.New(recovery.Logger(slog.New(slog.DiscardHandler))))
	waits := func(ctx context.Context, _ processor.Message) error {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
		return nil
	}
	for _, name := range []string{panics, slow, goes} {
		fill(t, b, name, 100)
	}
	return []service.Option{h, queue(slow, waits), queue(goes, func(_ context.Context, msg processor.Message) error {
		if msg.Properties().ID == "again" {
			close(again)
		}
		return nil
	})}, goes, again
}

// elapsed is how long the well handlers need, with or without the ill ones beside them.
func elapsed(t *testing.T, url string, round int, withIll bool) time.Duration {
	t.Helper()
	b := open(t, url)
	handlers, done := well(t, b, round)
	goes, seen := "", (<-chan struct{})(nil)
	if withIll {
		var more []service.Option
		more, goes, seen = ill(t, b, round)
		handlers = append(handlers, more...)
	}
	s := newService(t, b, append(handlers, service.OwnBroker(), service.Restart(100*time.Millisecond, time.Second))...)
	begun := time.Now()
	end := consuming(t, s)
	if withIll {
		deleteQueue(t, url, goes)
	}
	<-done
	took := time.Since(begun)
	if withIll {
		// Its queue is there again, and consumed.
		require.Eventually(t, func() bool {
			return s.Send(t.Context(), processor.Destination{RoutingKey: goes}, processor.Envelope{Properties: processor.Properties{ID: "again"}}) == nil
		}, minute, 10*time.Millisecond)
		<-seen
		require.Eventually(t, func() bool { return s.Health() == nil }, minute, 10*time.Millisecond)
	}
	require.NoError(t, end())
	return took
}

// Ten handlers of which three have trouble: the other seven are hardly slower than without them. The rounds are
// interleaved, so that whatever else the machine does slows down both, and the bound is generous: what is
// looked for is a handler that holds up the others.
func TestTroubleOfSomeHandlersIsNotTheOthers(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	var alone, beside []time.Duration
	for round := range 3 {
		alone = append(alone, elapsed(t, url, 2*round, false))
		beside = append(beside, elapsed(t, url, 2*round+1, true))
	}
	slices.Sort(alone)
	slices.Sort(beside)
	ratio := float64(alone[1]) / float64(beside[1])
	t.Logf("throughput beside three with trouble: %.2f of that without (medians %v and %v)", ratio, alone[1], beside[1])
	require.Greater(t, ratio, 0.25)
}

// What is declared is compared with the broker before anything is consumed, as the documentation shows.
func TestVerifyOnRabbitMQ(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	h := queue("verified", nothing)
	h.Queue.Type, h.Queue.DeliveryLimit = broker.Quorum, broker.HighDeliveryLimit
	h.Keys = []string{"verified.#"}
	verified := false
	s := newService(t, b, h, service.OwnBroker(), service.Verify(func(ctx context.Context, topology broker.Topology) error {
		report, err := verify.Topology(ctx, b, topology)
		if err != nil {
			return err
		}
		verified = true
		return report.Err()
	}))
	end := consuming(t, s)
	require.True(t, verified)
	require.NoError(t, s.Health(), "the broker's own Health is asked as well")
	require.NoError(t, end())
	require.Error(t, s.Health(), "it is closed")
}

// Somebody makes the queue anew, with other arguments: the handler fails, and works again once that is mended.
func TestAQueueThatIsMadeAnewByOthers(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	s := newService(t, b, queue("remade", nothing), queue("bystander", nothing), service.OwnBroker(),
		service.Restart(50*time.Millisecond, 200*time.Millisecond))
	end := consuming(t, s)
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	ch, err := conn.Channel()
	require.NoError(t, err)
	_, err = ch.QueueDelete("remade", false, false, true)
	require.NoError(t, err)
	_, err = ch.QueueDeclare("remade", true, false, false, true, amqp.Table{"x-max-length": int32(5)})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return phases(s)["remade"] == service.Restarting }, minute, time.Millisecond)
	require.ErrorIs(t, s.Health(), broker.ErrMismatch)
	require.Equal(t, service.Consuming, phases(s)["bystander"])
	_, err = ch.QueueDelete("remade", false, false, false)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return phases(s)["remade"] == service.Consuming && s.Health() == nil }, minute, 10*time.Millisecond)
	require.NoError(t, end())
}
