package docs_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/nameko"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

// namekoService is the class Service of the snippets, with one method, and a caller of it.
type namekoService struct {
	broker *memory.Broker
	client *rpc.Client
	stop   func()
}

func startNameko(t *testing.T, method string, handle processor.Processor, opts ...backoff.Option) *namekoService {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b := memory.New()
	opts = append(opts, backoff.Jitter(0), backoff.Logger(quiet))
	delays, err := backoff.Topology(nameko.Service("service").Queues[0], opts...)
	require.NoError(t, err)
	topology, err := nameko.Service("service").Extend(delays)
	require.NoError(t, err)
	require.NoError(t, b.Declare(t.Context(), topology))
	pipeline, err := stack.New(
		ack.New(),
		reply.New(b.Publisher(), nameko.Protocol, reply.Logger(quiet)),
		backoff.New(b.Publisher(), nameko.ServiceQueue("service"), opts...),
		recovery.New(),
	).Then(mux.New(nameko.ByMethod, mux.On(method, handle)))
	require.NoError(t, err)
	c, err := consumer.New(b.Source(nameko.ServiceQueue("service")), pipeline, consumer.Logger(quiet))
	require.NoError(t, err)
	client, err := rpc.New(rpc.Queue(b, "rpc.reply-web", rpc.Bind(nameko.Exchange, "web")), nameko.Protocol,
		rpc.Timeout(time.Hour), rpc.Logger(quiet))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	return &namekoService{b, client, func() {
		require.NoError(t, client.Close(t.Context()))
		cancel()
		run.Wait()
		require.NoError(t, b.Close(t.Context()))
	}}
}

// call is n.rpc.service.method(), and how long the caller was blocked.
func (s *namekoService) call(t *testing.T, method string) (result int, blocked time.Duration, err error) {
	t.Helper()
	start := time.Now()
	result, err = rpc.Call[int](t.Context(), s.client, nameko.Method("service", method), nil)
	return result, time.Since(start), err
}

var (
	errNotReady = errors.New("not ready yet")
	errType     = errors.New("TypeError")
	errValue    = errors.New("ValueError")
)

// fails is a method that fails with these errors first, and then returns the result.
func fails(result int, errs ...error) processor.Processor {
	return remote.Handler(nameko.Protocol, func(context.Context, struct{}, processor.Message) (int, error) {
		if len(errs) == 0 {
			return result, nil
		}
		err := errs[0]
		errs = errs[1:]
		return 0, err
	})
}

// @rpc def calculate: raise Backoff() if not ready, else return 42. The default schedule is 1 and 2 s at first.
func TestNamekoCalculateBlocksAndReturns42(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startNameko(t, "calculate", fails(42, backoff.Again(errNotReady), backoff.Again(errNotReady)))
		defer s.stop()
		result, blocked, err := s.call(t, "calculate")
		require.NoError(t, err)
		require.Equal(t, 42, result)
		require.InDelta(t, 3*time.Second, blocked, float64(500*time.Millisecond))
	})
}

// RemoteError: Expired Backoff aborted after ..., in other words.
func TestNamekoCalculateExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := remote.Handler(nameko.Protocol, func(context.Context, struct{}, processor.Message) (int, error) {
			return 0, backoff.Again(errNotReady)
		})
		s := startNameko(t, "calculate", never, backoff.Schedule(backoff.Fixed(time.Second)), backoff.Retries(3))
		defer s.stop()
		_, blocked, err := s.call(t, "calculate")
		var failure *remote.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "Expired", failure.Type)
		require.Contains(t, failure.Message, "expired after 3 retries in 3s")
		require.InDelta(t, 3*time.Second, blocked, float64(500*time.Millisecond))
	})
}

// @entrypoint_retry(retry_for=ValueError): another error is answered at once.
func TestNamekoEntrypointRetryForOneError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startNameko(t, "calculate", fails(42, errValue, errType), backoff.For(errValue))
		defer s.stop()
		_, blocked, err := s.call(t, "calculate")
		var failure *remote.Error
		require.ErrorAs(t, err, &failure)
		require.NotEqual(t, "Expired", failure.Type)
		require.InDelta(t, time.Second, blocked, float64(500*time.Millisecond))
		result, _, err := s.call(t, "calculate")
		require.NoError(t, err)
		require.Equal(t, 42, result)
	})
}

// @entrypoint_retry(retry_for=(TypeError, ValueError), limit=5, schedule=(500, 600, 700, 800, 900)).
func TestNamekoEntrypointRetryForTwoErrorsOnASchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := startNameko(t, "do_something", fails(24, errType, errType, errValue),
			backoff.For(errType, errValue), backoff.Retries(5), backoff.Schedule(backoff.List(
				500*time.Millisecond, 600*time.Millisecond, 700*time.Millisecond, 800*time.Millisecond, 900*time.Millisecond)))
		defer s.stop()
		result, blocked, err := s.call(t, "do_something")
		require.NoError(t, err)
		require.Equal(t, 24, result)
		require.InDelta(t, 1800*time.Millisecond, blocked, float64(500*time.Millisecond))
	})
}
