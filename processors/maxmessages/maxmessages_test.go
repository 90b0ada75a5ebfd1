package maxmessages_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/maxmessages"
	"github.com/gowarren/warren/processors/recovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return maxmessages.New(maxmessages.Max(10_000)) },
	})
}

var errMail = errors.New("mail server says no")

func quiet() maxmessages.Option { return maxmessages.Logger(slog.New(slog.DiscardHandler)) }

func build(t *testing.T, h processor.ProcessorFunc, opts ...maxmessages.Option) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(maxmessages.New(append(opts, quiet())...)).Then(h)
	require.NoError(t, err)
	return p
}

func succeed(context.Context, processor.Message) error { return nil }

// run records how it was ended.
type run struct {
	ends   []error
	pauses int
}

func (r *run) End(err error) { r.ends = append(r.ends, err) }
func (r *run) Abort(error)   { panic("aborted") }
func (r *run) Pause() func() { r.pauses++; return func() { panic("resumed") } }

func TestTheLastMessageEndsTheRunAndKeepsItsError(t *testing.T) {
	t.Parallel()
	results := []error{nil, errMail, processor.Requeue(errMail)}
	for _, result := range results {
		p := build(t, func(context.Context, processor.Message) error { return result }, maxmessages.Max(2))
		var r run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
		require.Equal(t, result, p.Process(t.Context(), processortest.NewMessage()))
		require.Empty(t, r.ends)
		require.NoError(t, p.Idle(t.Context()))
		require.Equal(t, result, p.Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, []error{nil}, r.ends)
	}
}

func TestTheLastMessagePausesTheRunAndOthersAreNotBegun(t *testing.T) {
	t.Parallel()
	calls := 0
	var p *stack.Pipeline
	var r run
	p = build(t, func(ctx context.Context, _ processor.Message) error {
		calls++
		require.Equal(t, 1, r.pauses)
		surplus := processortest.NewMessage()
		require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(p.Process(ctx, surplus)))
		require.False(t, surplus.Settled())
		require.Empty(t, r.ends, "not before the last has left")
		return nil
	}, maxmessages.Max(1))
	require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, 1, calls)
	require.Equal(t, []error{nil}, r.ends)
}

// A message that came too late ended the run, and with it those that took longer than the drain
// timeout: no run got anything done.
func TestTheLastMessagesTakeTheTimeTheyNeed(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 8} {
		synctest.Test(t, func(t *testing.T) {
			b := rig(t, 50)
			silent := slog.New(slog.DiscardHandler)
			slow := func(ctx context.Context, _ processor.Message) error {
				select {
				case <-time.After(time.Minute):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			p, err := stack.New(maxmessages.New(maxmessages.Max(3), quiet()), ack.New()).ThenFunc(slow)
			require.NoError(t, err)
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(workers), consumer.Logger(silent)))
			for n := range 3 {
				require.NoError(t, c.Run(t.Context()))
				require.Equal(t, uint64(3*(n+1)), c.Stats().Done)
			}
		})
	}
}

func TestWithoutARunTheWishToStopIsJoined(t *testing.T) {
	t.Parallel()
	for want, result := range map[processor.Action]error{
		processor.Done: nil, processor.Failed: errMail, processor.Requeued: processor.Requeue(errMail),
	} {
		p := build(t, func(context.Context, processor.Message) error { return result }, maxmessages.Max(1))
		err := p.Process(t.Context(), processortest.NewMessage())
		require.Equal(t, processor.Decision{Action: want, Stop: true}, processor.Decide(err))
		if result != nil {
			require.ErrorIs(t, err, result)
		}
		err = p.Process(t.Context(), processortest.NewMessage())
		require.Equal(t, processor.Decision{Action: processor.Released, Stop: true}, processor.Decide(err))
	}
}

func TestALastMessageThatPanicsEndsTheRunAllTheSame(t *testing.T) {
	t.Parallel()
	p := build(t, func(context.Context, processor.Message) error { panic(errMail) }, maxmessages.Max(1))
	require.NoError(t, p.Idle(t.Context()))
	require.Panics(t, func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
	require.ErrorIs(t, p.Idle(t.Context()), processor.ErrStop, "without a run when nothing arrives")

	var r run
	require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
	require.Panics(t, func() { _ = p.Process(t.Context(), processortest.NewMessage()) })
	require.Equal(t, []error{nil}, r.ends)
}

func TestTheCountStartsAnewWithEachRun(t *testing.T) {
	t.Parallel()
	p := build(t, succeed, maxmessages.Max(2))
	for range 3 {
		var r run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Empty(t, r.ends)
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Equal(t, []error{nil}, r.ends)
		require.NoError(t, p.Stop(t.Context()))
	}
	require.NoError(t, p.Start(t.Context()), "by something that cannot be told")
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
	require.Equal(t, processor.ErrStop, errors.Unwrap(onlyOf(p.Process(t.Context(), processortest.NewMessage()))))
}

// onlyOf returns the single error that several wrap, if there is only one.
func onlyOf(err error) error {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) && len(several.Unwrap()) == 1 {
		return fmt.Errorf("only: %w", several.Unwrap()[0])
	}
	return err
}

// A handler that ignored its context may return while the next run goes on.
func TestAHandlerThatOutlivesItsRunDoesNotEndTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := build(t, func(context.Context, processor.Message) error { <-release; return nil }, maxmessages.Max(1))
		var first, second run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &first)))
		go func() { _ = p.Process(t.Context(), processortest.NewMessage()) }()
		synctest.Wait()
		require.NoError(t, p.Stop(t.Context()))
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &second)))
		close(release)
		synctest.Wait()
		require.Len(t, first.ends, 1)
		require.Empty(t, second.ends)
	})
}

// rig is a queue with n messages.
func rig(t *testing.T, n int) *memory.Broker {
	t.Helper()
	b := memory.New()
	t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
	for range n {
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
	}
	return b
}

func TestARunTakesExactlySoManyMessagesWhateverTheWorkers(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 16} {
		t.Run(fmt.Sprint(workers), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := rig(t, 250)
				var calls atomic.Int64
				handler := func(context.Context, processor.Message) error {
					n := calls.Add(1)
					time.Sleep(time.Duration(n%7) * 100 * time.Millisecond)
					if n%3 == 0 {
						return errMail // still acked, see below
					}
					return nil
				}
				p, err := stack.New(maxmessages.New(quiet()), ack.New()).ThenFunc(handler)
				require.NoError(t, err)
				c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(workers), consumer.Logger(slog.New(slog.DiscardHandler))))
				for i, left := range []int{150, 50} {
					require.NoError(t, c.Run(t.Context()))
					require.Equal(t, int64(100*(i+1)), calls.Load())
					ready, err := b.Ready(t.Context(), "mail")
					require.NoError(t, err)
					require.Equal(t, left, ready)
				}
				stats := c.Stats()
				require.Equal(t, uint64(200), stats.Done+stats.Failed)
				require.Equal(t, stats.Received, stats.Done+stats.Failed+stats.Released)
			})
		})
	}
}

func TestTheRunEndsAfterAPanicThatWasRecoveredFrom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 3)
		silent := slog.New(slog.DiscardHandler)
		p, err := stack.New(ack.New(), recovery.New(recovery.Logger(silent)), maxmessages.New(maxmessages.Max(2), quiet())).
			ThenFunc(func(context.Context, processor.Message) error { panic(errMail) })
		require.NoError(t, err)
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p, consumer.Logger(silent))).Run(t.Context()))
		ready, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		require.Equal(t, 1, ready)
	})
}

func TestConcurrentMessagesGetInOnlyUpToTheLimit(t *testing.T) {
	t.Parallel()
	var calls, surplus atomic.Int64
	p := build(t, func(context.Context, processor.Message) error { calls.Add(1); return nil }, maxmessages.Max(50))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 10 {
				if processor.Decide(p.Process(t.Context(), processortest.NewMessage())).Action == processor.Released {
					surplus.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, int64(50), calls.Load())
	require.Equal(t, int64(110), surplus.Load())
}

func TestTheEndIsLogged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p, err := stack.New(maxmessages.New(maxmessages.Max(1), maxmessages.Logger(slog.New(slog.NewTextHandler(&out, nil))))).ThenFunc(succeed)
	require.NoError(t, err)
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), processor.ErrStop)
	require.Contains(t, out.String(), "level=INFO")
	require.Contains(t, out.String(), "max=1")
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for says, m := range map[string]processor.Middleware{
		"Max is 0":        maxmessages.New(maxmessages.Max(0)),
		"option 1 is nil": maxmessages.New(nil),
	} {
		_, err := stack.New(m).ThenFunc(succeed)
		require.ErrorContains(t, err, says)
	}
}

func TestSettingsNameTheDefault(t *testing.T) {
	t.Parallel()
	p, err := stack.New(maxmessages.New()).ThenFunc(succeed)
	require.NoError(t, err)
	require.Equal(t, stack.LayerDescription{
		Name: "maxmessages", Role: stack.Counts, Settings: []stack.Setting{{Name: "max", Value: "100"}},
	}, p.Describe().Layers[0])
}

func ExampleNew() {
	handler := func(_ context.Context, msg processor.Message) error {
		fmt.Printf("%s\n", msg.Body())
		return nil
	}
	pipeline, err := stack.New(
		maxmessages.New(maxmessages.Max(2), maxmessages.Logger(slog.New(slog.DiscardHandler))),
		ack.New(),
	).ThenFunc(handler)
	if err != nil {
		panic(err)
	}
	for _, body := range []string{"one", "two", "three"} {
		err := pipeline.Process(context.Background(), processortest.NewMessage(processortest.Body(body)))
		fmt.Printf("%+v\n", processor.Decide(err))
	}
	// Output:
	// one
	// {Action:done After:0s Stop:false}
	// two
	// {Action:done After:0s Stop:true}
	// {Action:released After:0s Stop:true}
}
