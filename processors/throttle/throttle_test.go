package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/throttle"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return throttle.New(rate.NewLimiter(1, 10_000)) },
	})
}

func TestConformanceWithoutALimit(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return throttle.New(rate.NewLimiter(rate.Inf, 0)) },
	})
}

func build(t *testing.T, l *rate.Limiter, h processor.ProcessorFunc) *stack.Pipeline {
	t.Helper()
	p, err := stack.New(ack.New(), throttle.New(l)).Then(h)
	require.NoError(t, err)
	return p
}

func succeed(context.Context, processor.Message) error { return nil }

func TestMessagesWaitForAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var took []time.Duration
		start := time.Now()
		p := build(t, rate.NewLimiter(2, 3), func(context.Context, processor.Message) error {
			took = append(took, time.Since(start))
			return nil
		})
		for range 6 {
			require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		}
		require.Equal(t, []time.Duration{0, 0, 0, time.Second / 2, time.Second, 3 * time.Second / 2}, took)
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

func TestASharedLimiterLimitsAllConsumersTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 1000)
		limiter := rate.NewLimiter(10, 1)
		var n atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error)
		for range 2 {
			p := build(t, limiter, func(context.Context, processor.Message) error { n.Add(1); return nil })
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(8), consumer.Logger(slog.New(slog.DiscardHandler))))
			go func() { results <- c.Run(ctx) }()
		}
		time.Sleep(30*time.Second + time.Millisecond)
		require.Equal(t, int64(301), n.Load())
		cancel()
		require.NoError(t, <-results)
		require.NoError(t, <-results)
		require.Equal(t, int64(317), n.Load(), "those in hand have waited for their token")
		ready, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		require.Equal(t, 1000-317, ready)
	})
}

func TestAMessageWhoseContextEndsWhileItWaitsGoesBackUntouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(rate.Every(time.Hour), 1)
		calls := 0
		p := build(t, limiter, func(context.Context, processor.Message) error { calls++; return nil })
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))

		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		soon, done := context.WithTimeout(t.Context(), time.Minute)
		defer done()
		for _, ctx := range []context.Context{ctx, soon, ctx} {
			msg := processortest.NewMessage()
			require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(p.Process(ctx, msg)))
			require.False(t, msg.Settled())
		}
		time.Sleep(time.Hour)
		require.True(t, limiter.Allow(), "the tokens they did not use are there")
		require.Equal(t, 1, calls)
	})
}

func TestTheDrainDeadlineGivesBackWhatWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := rig(t, 10)
		p := build(t, rate.NewLimiter(rate.Every(time.Hour), 1), succeed)
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.Workers(4), consumer.Logger(slog.New(slog.DiscardHandler))))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.NoError(t, c.Run(ctx))
		require.Equal(t, consumer.Stats{Received: 5, Done: 1, Released: 4}, c.Stats())
		ready, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		require.Equal(t, 9, ready)
	})
}

// run processes messages with 8 workers until the returned function is called. It counts them.
func run(t *testing.T, l *rate.Limiter) (count *atomic.Int64, stop func()) {
	t.Helper()
	count = &atomic.Int64{}
	p := build(t, l, func(context.Context, processor.Message) error { count.Add(1); return nil })
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for ctx.Err() == nil {
				_ = p.Process(ctx, processortest.NewMessage())
			}
		})
	}
	return count, func() { cancel(); workers.Wait() }
}

// Reservations keep their time when the limit changes, and no worker may hold one for an hour.
func TestAChangeOfTheLimitReachesMessagesThatWait(t *testing.T) {
	t.Parallel()
	for name, low := range map[string]rate.Limit{"low": rate.Every(time.Hour), "0": 0, "negative": -1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				limiter := rate.NewLimiter(10, 1)
				n, stop := run(t, limiter)
				defer stop()
				time.Sleep(10 * time.Second)
				limiter.SetLimit(low)
				before := n.Load()
				time.Sleep(time.Minute)
				require.LessOrEqual(t, n.Load()-before, int64(10), "those that had a token")
				limiter.SetLimit(10)
				before = n.Load()
				time.Sleep(time.Minute)
				require.InDelta(t, 600, n.Load()-before, 20)
			})
		})
	}
}

// An adaptive limiter is changed all the time.
func TestTheRateIsHeldWhileTheLimitChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(2, 1)
		n, stop := run(t, limiter)
		defer stop()
		for i := range 600 {
			limiter.SetLimit(rate.Limit(2 + 0.1*float64(i%2)))
			time.Sleep(100 * time.Millisecond)
		}
		require.InDelta(t, 123, n.Load(), 5)
	})
}

func TestTheRateIsHeldWithManyWorkers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		limit rate.Limit
		burst int
		want  int64 // in a minute
	}{
		{10, 1, 601},
		{10, 5, 605},
		{1000, 1, 60_001},
		{1, 1, 61},
		{0.4, 1, 25},
		{rate.Every(20 * time.Second), 1, 4},
		{rate.Every(20 * time.Second), 3, 6},
	} {
		t.Run(fmt.Sprint(float64(tc.limit), " ", tc.burst), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n, stop := run(t, rate.NewLimiter(tc.limit, tc.burst))
				defer stop()
				time.Sleep(time.Minute + time.Microsecond)
				require.Equal(t, tc.want, n.Load())
			})
		})
	}
}

// A stack whose line asks at unlucky times would never be served.
func TestStacksThatShareASlowLimiterAreAllServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limiter := rate.NewLimiter(rate.Every(10*time.Second), 1)
		a, stopA := run(t, limiter)
		defer stopA()
		b, stopB := run(t, limiter)
		defer stopB()
		time.Sleep(time.Hour + time.Millisecond)
		require.InDelta(t, 361, a.Load()+b.Load(), 1)
		require.Greater(t, a.Load(), int64(50))
		require.Greater(t, b.Load(), int64(50))
	})
}

func TestMessagesOfAStackWaitInTheirOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var got []string
		p := build(t, rate.NewLimiter(rate.Every(7*time.Second), 1), func(_ context.Context, msg processor.Message) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, msg.Properties().ID)
			return nil
		})
		var want []string
		for i := range 20 {
			id := fmt.Sprint(i)
			want = append(want, id)
			go func() {
				_ = p.Process(t.Context(), processortest.NewMessage(processortest.Properties(processor.Properties{ID: id})))
			}()
			synctest.Wait()
		}
		time.Sleep(20 * 7 * time.Second)
		synctest.Wait()
		require.Equal(t, want, got)
	})
}

func TestALimiterThatIsClosedLaterGivesEveryMessageBack(t *testing.T) {
	t.Parallel()
	limiter := rate.NewLimiter(1, 1)
	p := build(t, limiter, succeed)
	limiter.SetBurst(0)
	msg := processortest.NewMessage()
	require.Equal(t, processor.Released, processor.Decide(p.Process(t.Context(), msg)).Action)
	require.False(t, msg.Settled())
}

func TestALimiterThatLetsNothingThroughShowsWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for says, l := range map[string]*rate.Limiter{
		"limiter is nil":    nil,
		"limit is 0 mess":   rate.NewLimiter(0, 10),
		"limit is -1 mess":  rate.NewLimiter(-1, 10),
		"limit is NaN mess": rate.NewLimiter(rate.Limit(math.NaN()), 10),
		"burst is 0":        rate.NewLimiter(10, 0),
		"burst is -1":       rate.NewLimiter(10, -1),
	} {
		_, err := stack.New(throttle.New(l)).ThenFunc(succeed)
		require.ErrorContains(t, err, says)
	}
}

func TestTheHandlersErrorPassesUnchanged(t *testing.T) {
	t.Parallel()
	errMail := errors.New("mail server says no")
	p := build(t, rate.NewLimiter(1, 1), func(context.Context, processor.Message) error { return errMail })
	require.Equal(t, errMail, p.Process(t.Context(), processortest.NewMessage()))
}

func TestSettingsAreThoseOfTheLimiterNow(t *testing.T) {
	t.Parallel()
	limiter := rate.NewLimiter(50, 10)
	p := build(t, limiter, succeed)
	settings := func() []stack.Setting { return p.Describe().Layers[1].Settings }
	require.Equal(t, []stack.Setting{{Name: "limit", Value: "50/s"}, {Name: "burst", Value: "10"}}, settings())
	for want, limit := range map[string]rate.Limit{
		"0.333/s": rate.Every(3 * time.Second), "99.9/s": 99.9, "1000/s": 1000, "12346/s": 12345.6,
	} {
		limiter.SetLimit(limit)
		require.Equal(t, want, settings()[0].Value)
	}
	limiter.SetLimit(rate.Inf)
	require.Equal(t, []stack.Setting{{Name: "limit", Value: "none"}, {Name: "burst", Value: "10"}}, settings())
}

func ExampleNew() {
	limiter := rate.NewLimiter(rate.Every(20*time.Millisecond), 1)
	pipeline, err := stack.New(ack.New(), throttle.New(limiter)).ThenFunc(succeed)
	if err != nil {
		panic(err)
	}
	start := time.Now()
	for range 3 {
		if err := pipeline.Process(context.Background(), processortest.NewMessage()); err != nil {
			panic(err)
		}
	}
	fmt.Println(time.Since(start) >= 40*time.Millisecond)
	// Output: true
}
