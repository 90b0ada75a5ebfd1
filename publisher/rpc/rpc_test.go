package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/remote"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/reply"
	"github.com/gowarren/warren/publisher/rpc"
)

func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	rabbitmqtest.Main(m)
}

var (
	quiet   = slog.New(slog.DiscardHandler)
	service = processor.Destination{RoutingKey: "calculate"}
	errBusy = errors.New("not ready yet")
)

const replies = "replies"

// world is a broker with a client, and a service if one is started.
type world struct {
	t      *testing.T
	broker *memory.Broker
	client *rpc.Client
}

// live runs a test of calls with the clock of synctest.
func live(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: service.RoutingKey}}}))
		client, err := rpc.New(rpc.Queue(b, replies), remote.JSON)
		require.NoError(t, err)
		w := &world{t, b, client}
		defer func() {
			require.NoError(t, client.Close(context.Background()))
			require.NoError(t, b.Close(context.Background()))
		}()
		test(t, w)
		require.Zero(t, client.Stats().Pending)
	})
}

// serve runs a service until the test ends.
func (w *world) serve(handler processor.Processor, layers ...processor.Middleware) {
	w.t.Helper()
	all := append([]processor.Middleware{ack.New(), reply.New(w.broker.Publisher(), remote.JSON)}, layers...)
	pipeline, err := stack.New(all...).Then(handler)
	require.NoError(w.t, err)
	c, err := consumer.New(w.broker.Source(service.RoutingKey), pipeline, consumer.Workers(8))
	require.NoError(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = c.Run(ctx) })
	w.t.Cleanup(func() { stop(); run.Wait() })
}

// sum adds, after what before does.
func sum(before func(ctx context.Context, msg processor.Message) error) processor.Processor {
	return remote.Handler(remote.JSON, func(ctx context.Context, args []int, msg processor.Message) (int, error) {
		if before != nil {
			if err := before(ctx, msg); err != nil {
				return 0, err
			}
		}
		total := 0
		for _, a := range args {
			total += a
		}
		return total, nil
	})
}

func TestACallReturnsTheResult(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		w.serve(sum(nil))
		got, err := rpc.Call[int](t.Context(), w.client, service, []int{20, 22})
		require.NoError(t, err)
		require.Equal(t, 42, got)
	})
}

// nameko-amqp-retry: "blocks for some time", and then 42.
func TestTheCallerBlocksThroughTwoBackoffsAndGets42(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		opts := []backoff.Option{backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Second)), backoff.Jitter(0), backoff.Retries(2))}
		topology, err := backoff.Topology(broker.Queue{Name: service.RoutingKey}, opts...)
		require.NoError(t, err)
		require.NoError(t, w.broker.Declare(t.Context(), topology))
		begun := 0
		w.serve(sum(func(context.Context, processor.Message) error {
			if begun++; begun < 3 {
				return errBusy
			}
			return nil
		}), backoff.New(w.broker.Publisher(), service.RoutingKey, opts...), recovery.New())
		start := time.Now()
		got, err := rpc.Call[int](t.Context(), w.client, service, []int{20, 22})
		require.NoError(t, err)
		require.Equal(t, 42, got)
		require.Equal(t, 3, begun)
		require.GreaterOrEqual(t, time.Since(start), 2*time.Second)
	})
}

func TestWhenTheRetriesAreUsedUpTheCallerGetsExpired(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		opts := []backoff.Option{backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Second)), backoff.Retries(1))}
		topology, err := backoff.Topology(broker.Queue{Name: service.RoutingKey}, opts...)
		require.NoError(t, err)
		require.NoError(t, w.broker.Declare(t.Context(), topology))
		w.serve(sum(func(context.Context, processor.Message) error { return errBusy }),
			backoff.New(w.broker.Publisher(), service.RoutingKey, opts...), recovery.New())
		_, err = rpc.Call[int](t.Context(), w.client, service, []int{20, 22})
		var failure *remote.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, remote.TypeExpired, failure.Type)
		require.Contains(t, failure.Message, "not ready yet")
	})
}

func TestARequestThatNobodyTakesFailsAtOnce(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		start := time.Now()
		_, err := rpc.Call[int](t.Context(), w.client, processor.Destination{RoutingKey: "nobody"}, 1)
		require.ErrorIs(t, err, processor.ErrUnroutable)
		require.Zero(t, time.Since(start))
	})
}

func TestACallWithoutADeadlineHasOne(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		start := time.Now()
		_, err := rpc.Call[int](t.Context(), w.client, service, []int{1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, rpc.DefaultTimeout, time.Since(start))
	})
}

func TestALateReplyIsCountedAndHarmsNothing(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		w.serve(sum(func(ctx context.Context, _ processor.Message) error {
			select {
			case <-time.After(time.Minute):
			case <-ctx.Done():
			}
			return nil
		}))
		_, err := rpc.Call[int](t.Context(), w.client, service, []int{1})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, w.broker.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: replies}, processor.Envelope{}))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, uint64(2), w.client.Stats().Late)
	})
}

func TestAnEndedContextEndsTheCall(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := rpc.Call[int](ctx, w.client, service, []int{1})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestClosingEndsPendingCallsAndLaterOnes(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		time.AfterFunc(time.Second, func() { _ = w.client.Close(context.Background()) })
		_, err := rpc.Call[int](t.Context(), w.client, service, []int{1})
		require.ErrorIs(t, err, processor.ErrClosed)
		_, err = rpc.Call[int](t.Context(), w.client, service, []int{1})
		require.ErrorIs(t, err, processor.ErrClosed)
	})
}

func TestThousandsOfCallsAreInFlightAtOnce(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		w.serve(sum(nil), recovery.New())
		var calls sync.WaitGroup
		for g := range 64 {
			calls.Go(func() {
				for i := range 40 {
					got, err := rpc.Call[int](t.Context(), w.client, service, []int{g, i})
					if err != nil || got != g+i {
						t.Errorf("%d+%d = %d, %v", g, i, got, err)
					}
				}
			})
		}
		calls.Wait()
		require.Equal(t, rpc.Stats{Calls: 64 * 40}, w.client.Stats())
	})
}

func TestANestedCallHasNothingOfItsRequest(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		var seen processor.Headers
		handler := mux.New(mux.ByType, mux.On("inner", remote.Handler(remote.JSON, func(_ context.Context, _ int, msg processor.Message) (int, error) {
			seen = msg.Headers()
			return 42, nil
		})), mux.On("outer", remote.Handler(remote.JSON, func(ctx context.Context, n int, _ processor.Message) (int, error) {
			return rpc.Call[int](ctx, w.client, service, n, typed("inner"))
		})))
		w.serve(handler, recovery.New())
		got, err := rpc.Call[int](t.Context(), w.client, service, 1, typed("outer"), func(e *processor.Envelope) {
			e.Headers = processor.Headers{backoff.HeaderBackoffs: int64(1), "swarrot_retry_attempts": int64(2)}
		})
		require.NoError(t, err)
		require.Equal(t, 42, got)
		require.Empty(t, seen)
	})
}

func typed(kind string) func(*processor.Envelope) {
	return func(e *processor.Envelope) { e.Type = kind }
}

func TestAMethodThatIsNotThereIsNamed(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		w.serve(mux.New(mux.ByType, mux.On("sum", sum(nil))))
		_, err := rpc.Call[int](t.Context(), w.client, service, 1, typed("product"))
		var failure *remote.Error
		require.ErrorAs(t, err, &failure)
		require.Equal(t, remote.TypeUnknownMethod, failure.Type)
		require.Contains(t, failure.Message, `"sum"`)
	})
}

// flaky is a line whose parts fail as told.
type flaky struct {
	publish func(processor.Envelope) error
	receive chan error
}

func (f *flaky) Publisher(context.Context) (processor.Publisher, error) {
	return processor.PublisherFunc(func(_ context.Context, _ processor.Destination, e processor.Envelope) error { return f.publish(e) }), nil
}

func (f *flaky) Receive(ctx context.Context) (processor.Message, error) {
	select {
	case err := <-f.receive:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (*flaky) Close(context.Context) error { return nil }

func TestALostReplyQueueEndsThePendingCallsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		line := &flaky{publish: func(processor.Envelope) error { return nil }, receive: make(chan error)}
		client, err := rpc.New(line, remote.JSON)
		require.NoError(t, err)
		defer func() { require.NoError(t, client.Close(context.Background())) }()
		start := time.Now()
		time.AfterFunc(time.Second, func() { line.receive <- broker.ErrNoQueue })
		_, err = rpc.Call[int](t.Context(), client, service, 1)
		require.ErrorIs(t, err, rpc.ErrRepliesLost)
		require.ErrorIs(t, err, broker.ErrNoQueue)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestARequestThatIsNotSentEndsTheCall(t *testing.T) {
	t.Parallel()
	for _, problem := range []error{processor.ErrIndeterminate, processor.ErrBlocked, processor.ErrTooLarge} {
		synctest.Test(t, func(t *testing.T) {
			line := &flaky{publish: func(processor.Envelope) error { return problem }, receive: make(chan error)}
			client, err := rpc.New(line, remote.JSON)
			require.NoError(t, err)
			_, err = rpc.Call[int](t.Context(), client, service, 1)
			require.ErrorIs(t, err, problem)
			require.NoError(t, client.Close(context.Background()))
		})
	}
}

func TestWrongClientsAreRefused(t *testing.T) {
	t.Parallel()
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.Background())) }()
	for name, build := range map[string]func() (*rpc.Client, error){
		"no line":     func() (*rpc.Client, error) { return rpc.New(nil, remote.JSON) },
		"no protocol": func() (*rpc.Client, error) { return rpc.New(rpc.Queue(b, "x"), nil) },
		"no broker":   func() (*rpc.Client, error) { return rpc.New(rpc.Queue(nil, "x"), remote.JSON) },
		"no name":     func() (*rpc.Client, error) { return rpc.New(rpc.Queue(b, ""), remote.JSON) },
		"no unit":     func() (*rpc.Client, error) { return rpc.New(rpc.Queue(b, "x"), remote.JSON, rpc.Timeout(30)) },
	} {
		_, err := build()
		require.Error(t, err, name)
	}
}

func TestARequestThatDoesNotEncodeIsNotSent(t *testing.T) {
	live(t, func(t *testing.T, w *world) {
		_, err := rpc.Call[int](t.Context(), w.client, service, make(chan int))
		require.Error(t, err)
		n, err := w.broker.Ready(t.Context(), service.RoutingKey)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// hasty is a line that is lost while a call begins: after it has got its publisher, and before it is pending.
type hasty struct {
	rpc.Line

	lose  chan error
	asked int
	sent  []string // by which publisher
}

func (h *hasty) Publisher(context.Context) (processor.Publisher, error) {
	h.asked++
	line := []string{"", "lost", "found"}[h.asked]
	if line == "lost" {
		h.lose <- errBusy
		synctest.Wait() // the client has noticed
	}
	return processor.PublisherFunc(func(_ context.Context, _ processor.Destination, _ processor.Envelope) error {
		h.sent = append(h.sent, line)
		return nil
	}), nil
}

func (h *hasty) Receive(ctx context.Context) (processor.Message, error) {
	select {
	case err := <-h.lose:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *hasty) Close(context.Context) error { return nil }

func TestACallIsNotSentOnALineThatIsLostMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &hasty{lose: make(chan error)}
		client, err := rpc.New(h, remote.JSON, rpc.Timeout(time.Second))
		require.NoError(t, err)
		_, err = rpc.Call[int](t.Context(), client, service, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, []string{"found"}, h.sent)
		require.NoError(t, client.Close(t.Context()))
	})
}

// away is a line that has no channel.
type away struct{ hasty }

func (*away) Publisher(ctx context.Context) (processor.Publisher, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestCloseEndsACallThatWaitsForItsLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, err := rpc.New(&away{hasty{lose: make(chan error)}}, remote.JSON)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := rpc.Call[int](t.Context(), client, service, 1)
			ended <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(t, client.Close(t.Context()))
		require.ErrorIs(t, <-ended, processor.ErrClosed)
		_, err = rpc.Call[int](t.Context(), client, service, 1)
		require.ErrorIs(t, err, processor.ErrClosed)
		require.Zero(t, time.Since(start))
	})
}

// lines is a line made of functions.
type lines struct {
	publish func(context.Context, processor.Envelope) error
	receive func(context.Context) (processor.Message, error)
	closed  chan struct{}
}

func (l *lines) Publisher(context.Context) (processor.Publisher, error) {
	return processor.PublisherFunc(func(ctx context.Context, _ processor.Destination, e processor.Envelope) error {
		return l.publish(ctx, e)
	}), nil
}

func (l *lines) Receive(ctx context.Context) (processor.Message, error) { return l.receive(ctx) }

func (l *lines) Close(context.Context) error { close(l.closed); return nil }

// until waits for a context, and returns its error.
func until(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// The call waited for the confirm, to the end of its context, although the reply was there.
func TestAReplyThatIsThereIsReturnedBeforeTheConfirm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := make(chan processor.Envelope, 1)
		client, err := rpc.New(&lines{
			publish: func(ctx context.Context, e processor.Envelope) error { requests <- e; return until(ctx) },
			receive: func(ctx context.Context) (processor.Message, error) {
				select {
				case request := <-requests:
					time.Sleep(time.Millisecond)
					return processortest.NewMessage(processortest.Body("42"), processortest.Properties(request.Properties)), nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
			closed: make(chan struct{}),
		}, remote.JSON)
		require.NoError(t, err)
		start := time.Now()
		got, err := rpc.Call[int](t.Context(), client, service, 1)
		require.NoError(t, err)
		require.Equal(t, 42, got)
		require.Equal(t, time.Millisecond, time.Since(start))
		require.NoError(t, client.Close(t.Context()))
	})
}

// gone is an error about the replies to some requests.
type gone struct {
	error

	requests []string
}

func (g *gone) Requests() []string { return g.requests }

func (g *gone) Unwrap() error { return g.error }

// What a line loses for some calls ends no other.
func TestALossThatIsNamedEndsItsCallsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ids, lose := make(chan string, 2), make(chan error)
		client, err := rpc.New(&lines{
			publish: func(_ context.Context, e processor.Envelope) error { ids <- e.CorrelationID; return nil },
			receive: func(ctx context.Context) (processor.Message, error) {
				select {
				case err := <-lose:
					return nil, err
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			},
			closed: make(chan struct{}),
		}, remote.JSON, rpc.Timeout(time.Minute))
		require.NoError(t, err)
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := rpc.Call[int](t.Context(), client, service, 1)
				ended <- err
			}()
		}
		first, second := <-ids, <-ids
		start := time.Now()
		lose <- fmt.Errorf("receive: %w", &gone{errBusy, []string{first, "another's"}})
		err = <-ended
		require.ErrorIs(t, err, rpc.ErrRepliesLost)
		require.ErrorIs(t, err, errBusy)
		lose <- &gone{errBusy, []string{second}}
		require.ErrorIs(t, <-ended, rpc.ErrRepliesLost)
		require.Zero(t, time.Since(start), "no pause between them: the line goes on")
		require.NoError(t, client.Close(t.Context()))
	})
}

// The errors said that a context was over, and not why.
func TestACallThatIsCutSaysWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBusy)
		l := &lines{
			publish: func(context.Context, processor.Envelope) error { return nil },
			receive: func(ctx context.Context) (processor.Message, error) { return nil, until(ctx) },
			closed:  make(chan struct{}),
		}
		client, err := rpc.New(l, remote.JSON)
		require.NoError(t, err)
		_, err = rpc.Call[int](ctx, client, service, 1)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errBusy)
		_, err = rpc.Queue(memory.New(), replies).Publisher(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, err, errBusy)
		require.NoError(t, client.Close(t.Context()))
	})
}

// The line was left open unless Close was called again.
func TestCloseFreesItsLineAlsoWhenItIsCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lines{
			receive: func(ctx context.Context) (processor.Message, error) {
				err := until(ctx)
				time.Sleep(time.Second) // it takes its time
				return nil, err
			},
			closed: make(chan struct{}),
		}
		client, err := rpc.New(l, remote.JSON)
		require.NoError(t, err)
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBusy)
		err = client.Close(ctx)
		require.ErrorIs(t, err, errBusy)
		require.ErrorContains(t, err, "rpc: close: ")
		time.Sleep(2 * time.Second)
		select {
		case <-l.closed:
		default:
			t.Error("the line is open")
		}
	})
}
