package redelivery_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
)

const (
	prefetch = 200
	wait     = 100 * time.Millisecond
)

var (
	silent = slog.New(slog.DiscardHandler)
	sides  atomic.Int64
)

// side is a broker with a work queue and the layer that retries its messages.
type side struct {
	broker *rabbitmq.Broker
	work   string
	layer  processor.Middleware
}

// newSide makes one of a topology for a work queue and its layer.
func newSide(tb testing.TB, derive func(b broker.Broker, work broker.Queue) (broker.Topology, processor.Middleware, error)) *side {
	tb.Helper()
	b, err := rabbitmq.Open(tb.Context(), []string{rabbitmqtest.Shared(tb).URL()}, rabbitmq.Logger(silent))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close(context.Background())) })
	s := &side{broker: b, work: "work-" + strconv.FormatInt(sides.Add(1), 10)}
	topology, layer, err := derive(b, broker.Queue{Name: s.work, Type: broker.Quorum})
	require.NoError(tb, err)
	require.NoError(tb, b.Declare(tb.Context(), topology))
	s.layer = layer
	return s
}

func newRedelivery(tb testing.TB) *side {
	tb.Helper()
	return newSide(tb, func(b broker.Broker, work broker.Queue) (broker.Topology, processor.Middleware, error) {
		opts := []redelivery.Option{redelivery.Wait(wait, time.Second), redelivery.Logger(silent)}
		t, err := redelivery.Topology(work, work.Name+"-parked", opts...)
		return t, redelivery.New(b.Publisher(), work.Name+"-parked", opts...), err
	})
}

func newRetry(tb testing.TB) *side {
	tb.Helper()
	return newSide(tb, func(b broker.Broker, work broker.Queue) (broker.Topology, processor.Middleware, error) {
		opts := []retry.Option{retry.Delays(wait), retry.ParkKey(work.Name + "-parked"), retry.Logger(silent)}
		t, err := retry.Topology(work, work.Name+"-retry-%delay%", opts...)
		return t, retry.New(b.Publisher(), work.Name+"-retry-%delay%", opts...), err
	})
}

// fill publishes n messages, each of which fails once.
func (s *side) fill(tb testing.TB, n int) {
	tb.Helper()
	var publishing sync.WaitGroup
	for g := range 64 {
		publishing.Go(func() {
			for i := g; i < n; i += 64 {
				e := processor.Envelope{Body: make([]byte, 256), Properties: processor.Properties{ID: strconv.Itoa(i)}}
				if err := s.broker.Publisher().Publish(tb.Context(), processor.Destination{RoutingKey: s.work}, e); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	publishing.Wait()
}

// cost is the time of a turn, and that of the processor in it.
type cost struct{ time, cpu time.Duration }

// turn consumes n messages until each has succeeded, at its second try.
func (s *side) turn(tb testing.TB, n, workers int) cost {
	tb.Helper()
	s.fill(tb, n)
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	failed := make([]atomic.Int64, n) // when
	var done atomic.Int64
	var end time.Time
	count := func(next processor.Processor) processor.Processor {
		return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
			err := next.Process(ctx, msg)
			if msg.Origin().Redelivered || msg.Headers()[retry.HeaderAttempts] != nil {
				if done.Add(1) == int64(n) {
					end = time.Now()
					cancel()
				}
			}
			return err
		})
	}
	p, err := stack.New(count, ack.New(), s.layer, recovery.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		i, err := strconv.Atoi(msg.Properties().ID)
		if err != nil {
			return processor.Reject(err)
		}
		if failed[i].CompareAndSwap(0, time.Now().UnixNano()) {
			return errMail
		}
		if early := wait - 2*time.Millisecond - time.Since(time.Unix(0, failed[i].Load())); early > 0 {
			tb.Errorf("message %d is early by %v", i, early)
		}
		return nil
	})
	require.NoError(tb, err)
	cpu, begin := used(tb), time.Now()
	require.NoError(tb, must.Have(consumer.New(s.broker.Source(s.work), p, consumer.Workers(workers), consumer.Prefetch(prefetch), consumer.Logger(silent))).Run(ctx))
	c := cost{end.Sub(begin), used(tb) - cpu}
	require.Equal(tb, int64(n), done.Load(), "each is tried twice, and none is lost or doubled")
	return c
}

// used is the processor time of the process.
func used(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
