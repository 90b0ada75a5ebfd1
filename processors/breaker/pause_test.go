package breaker_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/breaker"
)

func TestStacksOfTheSameMiddlewareShareTheBreaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{errMail}
		mail := breaker.New("mail server", breaker.Failures(2))
		a, b := start(t, mail, h.handle), start(t, mail, h.handle)
		require.Equal(t, errMail, a.process(t.Context()))
		require.Equal(t, errMail, b.process(t.Context()))
		require.True(t, a.Paused())
		require.True(t, b.Paused())

		require.NoError(t, a.Stop(t.Context()))
		require.False(t, a.Paused())
		require.True(t, b.Paused())

		time.Sleep(breaker.DefaultOpenFor + 1)
		synctest.Wait()
		require.False(t, b.Paused())
		h.err = nil
		require.NoError(t, a.process(t.Context()), "the probe of both")
		require.NoError(t, b.process(t.Context()))
		require.NoError(t, b.Stop(t.Context()))
	})
}

func TestEachCallOfNewIsABreakerOfItsOwn(t *testing.T) {
	t.Parallel()
	h := &returning{errMail}
	a, b := start(t, breaker.New("a", breaker.Failures(1)), h.handle), start(t, breaker.New("b", breaker.Failures(1)), h.handle)
	require.Equal(t, errMail, a.process(t.Context()))
	require.True(t, a.Paused())
	require.False(t, b.Paused())
	require.NoError(t, errors.Join(a.Stop(t.Context()), b.Stop(t.Context())))
}

func TestARunThatStartsWhileTheBreakerIsOpenStartsPaused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{errMail}
		s := start(t, breaker.New("mail server", breaker.Failures(1)), h.handle)
		require.Equal(t, errMail, s.process(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		require.False(t, s.Paused())
		time.Sleep(breaker.DefaultOpenFor - time.Second)
		require.False(t, s.Paused(), "over")

		require.NoError(t, s.Start(stack.WithRun(t.Context(), &s.fakeRun)))
		require.True(t, s.Paused())
		time.Sleep(time.Second + 1)
		synctest.Wait()
		require.False(t, s.Paused(), "for what was left of the time")
		h.err = nil
		require.NoError(t, s.process(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestARunThatStartsWhenTheOpenTimeIsOverProbes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{errMail}
		s := start(t, breaker.New("mail server", breaker.Failures(1)), h.handle)
		require.Equal(t, errMail, s.process(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		time.Sleep(time.Hour)
		require.NoError(t, s.Start(stack.WithRun(t.Context(), &s.fakeRun)))
		synctest.Wait()
		require.False(t, s.Paused())
		require.Equal(t, errMail, s.process(t.Context()))
		require.True(t, s.Paused(), "by one failure, since it was the probe")
		require.NoError(t, s.Stop(t.Context()))
	})
}

// The end of the open time, in 292 years, overflowed by one, and the breaker asked without end.
func TestABreakerThatIsOpenForTheLongestTimeIsAtRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := stack.New(breaker.New("mail server", breaker.Failures(1), breaker.OpenFor(math.MaxInt64))).
			ThenFunc(func(context.Context, processor.Message) error { return errMail })
		require.NoError(t, err)
		run := &fakeRun{}
		require.NoError(t, p.Start(stack.WithRun(t.Context(), run)))
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
		synctest.Wait()
		require.True(t, run.Paused())
		time.Sleep(100 * 365 * 24 * time.Hour)
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), breaker.ErrOpen)
		require.NoError(t, p.Stop(t.Context()))
	})
}

func TestNothingHappensBetweenRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []breaker.State
		s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.OnStateChange(func(s breaker.State) { told = append(told, s) })), (&returning{errMail}).handle)
		require.Equal(t, errMail, s.process(t.Context()))
		require.NoError(t, s.Stop(t.Context()))
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, []breaker.State{breaker.Open}, told)
	})
}

func TestStoppedTwiceOrNeverStarted(t *testing.T) {
	t.Parallel()
	s := build(t, breaker.New("mail server", breaker.Failures(1)), (&returning{errMail}).handle)
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Start(t.Context()))
	require.Equal(t, errMail, s.process(t.Context()))
	require.Zero(t, s.Pauses(), "without Control")
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()))
}

// As in a Watermill router: there is no timer, and the next message checks the time.
func TestWithoutARunMessagesAreGivenBackUntilTheOpenTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{errMail}
		s := build(t, breaker.New("mail server", breaker.Failures(1)), h.handle)
		require.Equal(t, errMail, s.process(t.Context()))
		time.Sleep(breaker.DefaultOpenFor)
		requireReleased(t, s.process(t.Context()))
		time.Sleep(time.Nanosecond)
		h.err = nil
		require.NoError(t, s.process(t.Context()))
		require.NoError(t, s.process(t.Context()))
	})
}

// However the downstream flaps and whichever runs start and stop, each message has an outcome and
// in the end all runs go on.
func TestStress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var outcomes [processor.Requeued + 1]atomic.Int64
		mail := breaker.New("mail server", breaker.Failures(3), breaker.OpenFor(20*time.Millisecond))
		handler := func(ctx context.Context, _ processor.Message) error {
			select {
			case <-time.After(rand.N(3 * time.Millisecond)):
			case <-ctx.Done():
				return ctx.Err()
			}
			if down.Load() {
				return errMail
			}
			return nil
		}
		stacks := []*service{start(t, mail, handler), start(t, mail, handler), start(t, mail, handler)}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(rand.N(50 * time.Millisecond))
				down.Store(!down.Load())
			}
		})
		for i := range 24 {
			wg.Go(func() {
				for ctx.Err() == nil {
					one, cancel := context.WithTimeout(ctx, rand.N(30*time.Millisecond))
					outcomes[processor.Decide(stacks[i%3].process(one)).Action].Add(1)
					cancel()
					time.Sleep(rand.N(time.Millisecond))
				}
			})
		}
		wg.Go(func() { comeAndGo(ctx, stacks[2]) })
		wg.Wait()
		require.NotZero(t, outcomes[processor.Done].Load())
		require.NotZero(t, outcomes[processor.Failed].Load())
		require.NotZero(t, outcomes[processor.Released].Load())

		down.Store(false)
		time.Sleep(time.Second)
		for _, s := range stacks {
			require.False(t, s.Paused())
			require.NoError(t, s.process(t.Context()))
			require.NoError(t, s.Stop(t.Context()))
		}
	})
}

func comeAndGo(ctx context.Context, s *service) {
	for ctx.Err() == nil {
		time.Sleep(rand.N(30 * time.Millisecond))
		_ = s.Stop(ctx)
		_ = s.Start(stack.WithRun(ctx, &s.fakeRun))
	}
}
