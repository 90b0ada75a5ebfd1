package memorylimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
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
	"github.com/gowarren/warren/processors/memorylimit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return memorylimit.New(1 << 20) },
	})
}

func TestConformanceWhenEachMessageIsFollowedByAMeasurement(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return memorylimit.New(1<<20, memorylimit.Every(0)) },
	})
}

var errMail = errors.New("mail server says no")

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func succeed(context.Context, processor.Message) error { return nil }

// process is a fake process.
type process struct {
	mib      atomic.Uint64
	garbage  atomic.Uint64 // of it
	measured atomic.Int64
	collects atomic.Int64
}

func (p *process) gauge() memorylimit.Option {
	return memorylimit.Gauge(func() uint64 {
		p.measured.Add(1)
		return p.mib.Load() << 20
	}, func() {
		p.collects.Add(1)
		p.mib.Add(-p.garbage.Swap(0))
	})
}

// run records how it was ended.
type run struct{ ends []error }

func (r *run) End(err error) { r.ends = append(r.ends, err) }
func (r *run) Abort(error)   { panic("aborted") }
func (r *run) Pause() func() { panic("paused") }

func build(t *testing.T, h processor.ProcessorFunc, opts ...memorylimit.Option) *stack.Pipeline {
	t.Helper()
	opts = append([]memorylimit.Option{memorylimit.Logger(quiet())}, opts...)
	p, err := stack.New(memorylimit.New(100, opts...)).Then(h)
	require.NoError(t, err)
	return p
}

func TestTheRunEndsAtTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var of process
		p := build(t, func(context.Context, processor.Message) error { return errMail }, of.gauge())
		for range 2 { // and so does the next
			var r run
			of.mib.Store(99)
			require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
			time.Sleep(time.Second)
			require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
			require.Empty(t, r.ends)
			of.mib.Store(100)
			time.Sleep(time.Second)
			require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
			require.Equal(t, []error{nil}, r.ends)
			time.Sleep(time.Minute)
			require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
			require.NoError(t, p.Idle(t.Context()))
			require.Equal(t, []error{nil}, r.ends, "once is enough")
			require.NoError(t, p.Stop(t.Context()))
		}
	})
}

func TestWithoutControlTheWishToStopIsJoined(t *testing.T) {
	t.Parallel()
	var of process
	result := error(nil)
	p := build(t, func(context.Context, processor.Message) error { return result }, of.gauge(), memorylimit.Every(0))
	decide := func() processor.Decision {
		err := p.Process(t.Context(), processortest.NewMessage())
		if result != nil {
			require.ErrorIs(t, err, result)
		}
		return processor.Decide(err)
	}
	require.NoError(t, p.Start(stack.WithRun(t.Context(), &run{})))
	require.NoError(t, p.Stop(t.Context()))
	for range 2 {
		of.mib.Store(99)
		require.NoError(t, p.Start(t.Context()))
		require.Equal(t, processor.Decision{}, decide())
		require.NoError(t, p.Idle(t.Context()))
		of.mib.Store(101)
		require.Equal(t, processor.Decision{Stop: true}, decide())
		result = processor.Reject(errMail)
		require.Equal(t, processor.Decision{Action: processor.Rejected, Stop: true}, decide())
		require.ErrorIs(t, p.Idle(t.Context()), processor.ErrStop)
		require.NoError(t, p.Stop(t.Context()))
		result = nil
	}
}

func TestMemoryIsMeasuredOnceInAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var of process
		p := build(t, succeed, of.gauge())
		for range 100 {
			require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
			require.NoError(t, p.Idle(t.Context()))
			time.Sleep(100 * time.Millisecond)
		}
		require.Equal(t, int64(10), of.measured.Load())
	})
}

func TestGarbageDoesNotEndTheRunAndIsNotCollectedAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var of process
		of.mib.Store(50)
		p := build(t, succeed, of.gauge())
		var r run
		require.NoError(t, p.Start(stack.WithRun(t.Context(), &r)))
		for range 30 {
			of.garbage.Add(60) // in a second
			of.mib.Add(60)
			require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
			time.Sleep(time.Second)
		}
		require.Empty(t, r.ends)
		require.Equal(t, int64(3), of.collects.Load())
		of.mib.Add(100)
		time.Sleep(10 * time.Second)
		require.NoError(t, p.Idle(t.Context()))
		require.Len(t, r.ends, 1)
	})
}

func TestOneGoroutineMeasuresAtATime(t *testing.T) {
	t.Parallel()
	var inside, crowds, calls atomic.Int64
	gauge := memorylimit.Gauge(func() uint64 {
		if inside.Add(1) > 1 {
			crowds.Add(1)
		}
		runtime.Gosched()
		inside.Add(-1)
		return uint64(calls.Add(1) / 100 * 101 << 20)
	}, func() {})
	p := build(t, succeed, gauge, memorylimit.Every(0))
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for !processor.Decide(p.Process(t.Context(), processortest.NewMessage())).Stop { //nolint:revive // until the limit is reached
			}
		})
	}
	wg.Wait()
	require.Zero(t, crowds.Load())
	require.LessOrEqual(t, calls.Load(), int64(101), "it ends once")
}

func TestAConsumerDrainsAndEndsWithoutAnError(t *testing.T) {
	t.Parallel()
	for _, fails := range []error{nil, errMail} {
		synctest.Test(t, func(t *testing.T) {
			b := memory.New()
			defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
			require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "mail"}}}))
			for range 100 {
				require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
			}
			var of process
			leak := func(context.Context, processor.Message) error {
				time.Sleep(time.Second)
				of.mib.Add(1)
				return fails
			}
			p, err := stack.New(ack.New(), memorylimit.New(50, of.gauge(), memorylimit.Logger(quiet()))).ThenFunc(leak)
			require.NoError(t, err)
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(2), consumer.Logger(quiet())))
			require.NoError(t, c.Run(t.Context()))
			ready, err := b.Ready(t.Context(), "mail")
			require.NoError(t, err)
			done := c.Stats().Done + c.Stats().Failed
			require.InDelta(t, 51, done, 2)
			require.Equal(t, 100-int(done), ready)
		})
	}
}

// The figure is that of this process, without the test's gauge.
func TestTheMemoryOfTheProcessIsMeasured(t *testing.T) {
	held := make([]byte, 64<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	stops := func(mib int) bool {
		p, err := stack.New(memorylimit.New(mib, memorylimit.Logger(quiet()))).ThenFunc(succeed)
		require.NoError(t, err)
		return processor.Decide(p.Process(t.Context(), processortest.NewMessage())).Stop
	}
	require.True(t, stops(64), "64 MiB are held")
	require.False(t, stops(1<<20), "it is less than a tebibyte")
	require.False(t, stops(1<<24))
	runtime.KeepAlive(held)

	held = make([]byte, 256<<20)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	held = nil
	require.False(t, stops(200), "garbage is no leak: %d", len(held))
}

func TestTheEndIsLogged(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var of process
	of.mib.Store(123)
	p := build(t, succeed, of.gauge(), memorylimit.Logger(slog.New(slog.NewTextHandler(&out, nil))))
	require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), processor.ErrStop)
	require.Contains(t, out.String(), "level=WARN")
	require.Contains(t, out.String(), "used_mib=123 limit_mib=100")
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for says, m := range map[string]processor.Middleware{
		"limit is 0 MiB":  memorylimit.New(0),
		"limit is -1 MiB": memorylimit.New(-1),
		"not in bytes":    memorylimit.New(128 << 20),
		"Every is -1s":    memorylimit.New(1, memorylimit.Every(-time.Second)),
		"option 1 is nil": memorylimit.New(1, nil),
	} {
		_, err := stack.New(m).ThenFunc(succeed)
		require.ErrorContains(t, err, says)
	}
}

func TestSettingsNameTheDefault(t *testing.T) {
	t.Parallel()
	require.Equal(t, stack.LayerDescription{
		Name:     "memorylimit",
		Settings: []stack.Setting{{Name: "limit", Value: "100MiB"}, {Name: "every", Value: "1s"}},
	}, build(t, succeed).Describe().Layers[0])
}

func BenchmarkMeasure(b *testing.B) {
	p, err := stack.New(memorylimit.New(1<<20, memorylimit.Every(0))).ThenFunc(succeed)
	require.NoError(b, err)
	msg := processortest.NewMessage()
	b.ReportAllocs()
	for b.Loop() {
		_ = p.Process(b.Context(), msg)
	}
}

func ExampleNew() {
	pipeline, err := stack.New(
		memorylimit.New(1, memorylimit.Logger(slog.New(slog.DiscardHandler))), // a Go process needs more
		ack.New(),
	).ThenFunc(succeed)
	if err != nil {
		panic(err)
	}
	err = pipeline.Process(context.Background(), processortest.NewMessage())
	fmt.Printf("%+v\n", processor.Decide(err))
	// Output: {Action:done After:0s Stop:true}
}
