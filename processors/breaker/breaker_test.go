package breaker_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/breaker"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

func TestConformance(t *testing.T) {
	processortest.TestMiddleware(t, processortest.Contract{
		New: func(testing.TB) processor.Middleware { return breaker.New("mail server", breaker.Failures(1e6)) },
	})
}

var errMail = errors.New("mail server says no")

// fakeRun counts its pauses.
type fakeRun struct {
	stack.Run
	mu             sync.Mutex
	paused, pauses int
}

func (r *fakeRun) Pause() func() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused++
	r.pauses++
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.paused--
	})
}

func (r *fakeRun) Paused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused > 0
}

func (r *fakeRun) Pauses() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pauses
}

// service is a running pipeline.
type service struct {
	*stack.Pipeline
	fakeRun
}

func build(t *testing.T, m processor.Middleware, handler processor.ProcessorFunc) *service {
	t.Helper()
	p, err := stack.New(m).Then(handler)
	require.NoError(t, err)
	return &service{Pipeline: p}
}

func start(t *testing.T, m processor.Middleware, handler processor.ProcessorFunc) *service {
	t.Helper()
	s := build(t, m, handler)
	require.NoError(t, s.Start(stack.WithRun(t.Context(), &s.fakeRun)))
	return s
}

func (s *service) process(ctx context.Context) error {
	return s.Process(ctx, processortest.NewMessage())
}

// returning is a handler that returns a result set by the test.
type returning struct{ err error }

func (r *returning) handle(context.Context, processor.Message) error { return r.err }

func requireReleased(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(err))
}

func TestFiveFailuresInARowPauseTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{}
		s := start(t, breaker.New("mail server"), h.handle)
		for _, h.err = range []error{errMail, errMail, errMail, errMail, nil, errMail, errMail, errMail, errMail, processor.ErrStop, errMail, errMail, errMail, errMail} {
			require.Equal(t, h.err, s.process(t.Context()))
			require.False(t, s.Paused())
		}
		require.Equal(t, errMail, s.process(t.Context()), "the fifth")
		require.True(t, s.Paused())
		h.err = nil
		err := s.process(t.Context())
		require.ErrorIs(t, err, breaker.ErrOpen, "handed out before")
		requireReleased(t, err)
		require.ErrorContains(t, err, "mail server")
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestTheRunGoesOnWhenTheOpenTimeIsOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &returning{errMail}
		s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.OpenFor(time.Minute)), h.handle)
		require.Equal(t, errMail, s.process(t.Context()))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.True(t, s.Paused(), "to the nanosecond")
		requireReleased(t, s.process(t.Context()))
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		require.False(t, s.Paused())
		require.Equal(t, errMail, s.process(t.Context()), "the probe")
		require.True(t, s.Paused(), "again")
		time.Sleep(time.Minute + 1)
		synctest.Wait()
		h.err = nil
		require.NoError(t, s.process(t.Context()))
		require.False(t, s.Paused())
		require.NoError(t, s.process(t.Context()))
		require.Equal(t, 2, s.Pauses())
		require.NoError(t, s.Stop(t.Context()))
	})
}

// gate is a handler whose messages wait for their result.
type gate struct {
	entered chan struct{}
	result  chan error
}

func newGate() *gate { return &gate{make(chan struct{}, 100), make(chan error)} }

func (g *gate) handle(ctx context.Context, _ processor.Message) error {
	g.entered <- struct{}{}
	select {
	case err := <-g.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// halfOpen returns a stack that is half-open, with n messages in it.
func halfOpen(t *testing.T, ctx context.Context, g *gate, n int) (s *service, results chan error) {
	t.Helper()
	s = start(t, breaker.New("mail server", breaker.Failures(1)), g.handle) //nolint:contextcheck // a run has a context of its own
	results = make(chan error, 100)
	s.come(ctx, results)
	g.result <- errMail
	require.ErrorIs(t, <-results, errMail)
	<-g.entered
	time.Sleep(breaker.DefaultOpenFor + 1)
	for range n {
		s.come(ctx, results)
	}
	synctest.Wait()
	require.Len(t, g.entered, min(n, 1), "one probe")
	require.Empty(t, results)
	return s, results
}

func (s *service) come(ctx context.Context, results chan<- error) {
	go func() { results <- s.process(ctx) }()
}

func TestOthersWaitForTheProbeAndGoOnWhenItSucceeds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s, results := halfOpen(t, t.Context(), g, 4)
		g.result <- nil
		synctest.Wait()
		require.Len(t, results, 1)
		require.Len(t, g.entered, 4)
		close(g.result)
		for range 4 {
			require.NoError(t, <-results)
		}
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestOthersGoBackUntouchedWhenTheProbeFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s, results := halfOpen(t, t.Context(), g, 4)
		g.result <- errMail
		synctest.Wait()
		require.True(t, s.Paused())
		require.Len(t, g.entered, 1)
		require.Equal(t, map[processor.Action]int{processor.Failed: 1, processor.Released: 3}, actions(results))
		require.NoError(t, s.Stop(t.Context()))
	})
}

func actions(results chan error) map[processor.Action]int {
	n := map[processor.Action]int{}
	for range len(results) {
		n[processor.Decide(<-results).Action]++
	}
	return n
}

func TestAnotherProbesAfterOneThatSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s, results := halfOpen(t, t.Context(), g, 3)
		for i, err := range []error{processor.Reject(errMail), processor.Requeue(errMail)} {
			g.result <- err
			require.Equal(t, err, <-results)
			synctest.Wait()
			require.Len(t, g.entered, i+2)
		}
		g.result <- nil
		require.NoError(t, <-results)
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestWhoeverWaitsForAProbeGoesBackWhenTheContextEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s, results := halfOpen(t, t.Context(), g, 1)
		ctx, cancel := context.WithCancelCause(t.Context())
		s.come(ctx, results)
		synctest.Wait()
		cancel(processor.ErrShutdown)
		err := <-results
		require.ErrorIs(t, err, context.Canceled)
		requireReleased(t, err)
		g.result <- nil
		require.NoError(t, <-results)
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestAProbeThatIsCutShortMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		s, results := halfOpen(t, ctx, g, 1)
		s.come(t.Context(), results)
		cancel()
		require.ErrorIs(t, <-results, context.Canceled)
		synctest.Wait()
		require.False(t, s.Paused())
		g.result <- nil
		require.NoError(t, <-results)
		require.NoError(t, s.Stop(t.Context()))
	})
}

// A slow message that began before the breaker opened says nothing about the downstream at its end:
// a late success closed the breaker without a probe, a late failure took the place of the probe.
func TestMessagesThatBeganInAnotherStateDoNotCount(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]error{"success": nil, "failure": errMail} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				slow, release := make(chan error), make(chan struct{})
				var h returning
				var opened []breaker.State
				s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.OnStateChange(func(s breaker.State) { opened = append(opened, s) })),
					func(ctx context.Context, msg processor.Message) error {
						if string(msg.Body()) == "slow" {
							<-release
							return late
						}
						return h.handle(ctx, msg)
					})
				go func() { slow <- s.Process(t.Context(), processortest.NewMessage(processortest.Body("slow"))) }()
				synctest.Wait()
				h.err = errMail
				require.Equal(t, errMail, s.process(t.Context()))
				time.Sleep(breaker.DefaultOpenFor + 1)
				synctest.Wait()
				close(release)
				require.Equal(t, late, <-slow)
				require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen}, opened)
				h.err = nil
				require.NoError(t, s.process(t.Context()), "the probe")
				require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}, opened)
				require.NoError(t, s.Stop(t.Context()))
			})
		})
	}
}

func TestWhatCounts(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(processor.ErrShutdown)
	var typedNil *fs.PathError
	mails := breaker.Counts(func(err error) bool { return errors.Is(err, errMail) })
	for name, tc := range map[string]struct {
		err  error
		ctx  context.Context //nolint:containedctx // of the case
		opts []breaker.Option
		want bool
	}{
		"failure":                  {errMail, t.Context(), nil, true},
		"retry after":              {processor.RetryAfter(errMail, 1), t.Context(), nil, true},
		"stop":                     {processor.Stop(errMail), t.Context(), nil, true},
		"time-out of a layer":      {context.DeadlineExceeded, t.Context(), nil, true},
		"typed nil":                {typedNil, t.Context(), nil, true},
		"reject":                   {processor.Reject(errMail), t.Context(), nil, false},
		"drop":                     {processor.Drop(errMail), t.Context(), nil, false},
		"requeue":                  {processor.Requeue(errMail), t.Context(), nil, false},
		"release":                  {processor.Release(errMail), t.Context(), nil, false},
		"cut short":                {errMail, ended, nil, false},
		"success":                  {nil, t.Context(), nil, false},
		"stop after success":       {processor.ErrStop, t.Context(), nil, false},
		"nil function":             {errMail, t.Context(), []breaker.Option{breaker.Counts(nil)}, true},
		"function: yes":            {errMail, t.Context(), []breaker.Option{mails}, true},
		"function: no":             {fs.ErrExist, t.Context(), []breaker.Option{mails}, false},
		"function: requeue":        {processor.Requeue(errMail), t.Context(), []breaker.Option{mails}, true},
		"function: release":        {processor.Release(errMail), t.Context(), []breaker.Option{mails}, false},
		"function: cut short":      {errMail, ended, []breaker.Option{mails}, false},
		"function: stop after all": {processor.ErrStop, t.Context(), []breaker.Option{mails}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, breaker.New("mail server", append(tc.opts, breaker.Failures(1))...), (&returning{tc.err}).handle)
			require.Equal(t, tc.err, s.process(tc.ctx), "passed on as it is")
			require.Equal(t, tc.want, s.Paused())
			require.NoError(t, s.Stop(t.Context()))
		})
	}
}

func TestPanicAndGoexitCountAndGoOnTheirWay(t *testing.T) {
	t.Parallel()
	s := start(t, breaker.New("mail server", breaker.Failures(1)), func(context.Context, processor.Message) error { panic(errMail) })
	require.PanicsWithValue(t, errMail, func() { _ = s.process(t.Context()) })
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))

	s = start(t, breaker.New("mail server", breaker.Failures(1)), func(context.Context, processor.Message) error { runtime.Goexit(); return nil })
	returned := exits(func() { _ = s.process(t.Context()) })
	require.False(t, returned)
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))
}

// exits reports whether f returns, rather than ending its goroutine.
func exits(f func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		returned = true
	}()
	<-done
	return returned
}

// In gobreaker's Execute neither is counted: the probe never ends, nor does the outage.
func TestAProbeThatPanicsOrExitsFails(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(){"panic": func() { panic(errMail) }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := end
				s := start(t, breaker.New("mail server", breaker.Failures(1)), func(context.Context, processor.Message) error { h(); return nil })
				try := func() {
					exits(func() {
						defer func() { _ = recover() }()
						_ = s.process(t.Context())
					})
				}
				try()
				time.Sleep(breaker.DefaultOpenFor + 1)
				synctest.Wait()
				try()
				require.Equal(t, 2, s.Pauses())
				require.True(t, s.Paused())
				time.Sleep(breaker.DefaultOpenFor + 1)
				synctest.Wait()
				h = func() {}
				require.NoError(t, s.process(t.Context()))
				require.NoError(t, s.Stop(t.Context()))
			})
		})
	}
}

// It was a success, and the message was acked.
func TestPanicOfNilGoesOnItsWayWithOldSemantics(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	s := start(t, breaker.New("mail server", breaker.Failures(1)), func(context.Context, processor.Message) error { panic(nil) })
	returned := exits(func() {
		defer func() { _ = recover() }()
		_ = s.process(t.Context())
		t.Error("the panic is gone")
	})
	require.True(t, returned)
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))
}

// errors.As panics on some errors that handlers return by mistake. The message was redelivered each
// time the process was started, and ended it.
func TestCountsThatPanicsDoesNotEndTheProcess(t *testing.T) {
	t.Parallel()
	m := breaker.New("mail server", breaker.Failures(1), breaker.Counts(func(error) bool { panic("boom") }))
	s := start(t, m, (&returning{processor.Stop(errMail)}).handle)
	err := s.process(t.Context())
	require.ErrorIs(t, err, errMail)
	require.ErrorContains(t, err, "boom")
	require.Equal(t, processor.Decision{Action: processor.Failed, Stop: true}, processor.Decide(err))
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))
}

// The message was treated as one that says nothing about the downstream.
func TestCountsThatPanicsWithNilCounts(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	m := breaker.New("mail server", breaker.Failures(1), breaker.Counts(func(error) bool { panic(nil) }))
	s := start(t, m, (&returning{errMail}).handle)
	require.ErrorContains(t, s.process(t.Context()), "the function given to Counts panicked")
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))
}

// The probe waited for itself, and every message with it, without end.
func TestABreakerTwiceInOneStackIsRefused(t *testing.T) {
	t.Parallel()
	m, other := breaker.New("mail server"), breaker.New("mail server")
	_, err := stack.New(m, other, m).ThenFunc((&returning{}).handle)
	require.ErrorContains(t, err, `the breaker of "mail server" is twice in one stack`)
	branch, err := stack.New(m).ThenFunc((&returning{}).handle)
	require.NoError(t, err)
	_, err = stack.New(m).Then(mux.New(mux.ByKey, mux.On("k", branch)))
	require.ErrorContains(t, err, `the breaker of "mail server" is twice in one stack`)
	_, err = stack.New(m, other).ThenFunc((&returning{}).handle)
	require.NoError(t, err)
	_, err = stack.New(m).ThenFunc((&returning{}).handle)
	require.NoError(t, err, "in another stack")
}

// No stack can see past a layer that has no Unwrap.
func TestAProbeDoesNotWaitForItselfInALayerThatIsHidden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := breaker.New("mail server", breaker.Failures(1))
		hides := func(next processor.Processor) processor.Processor { return processor.ProcessorFunc(next.Process) }
		h := &returning{errMail}
		p, err := stack.New(m, hides, m).ThenFunc(h.handle)
		require.NoError(t, err)
		require.ErrorIs(t, p.Process(t.Context(), processortest.NewMessage()), errMail)
		time.Sleep(breaker.DefaultOpenFor + 1)
		h.err = nil
		start := time.Now()
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()), "the probe")
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage()))
		require.Zero(t, time.Since(start))
	})
}

func TestChangesAreToldInTheirOrderAndLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var states []breaker.State
		h := &returning{errMail}
		s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.Logger(slog.New(slog.NewTextHandler(&out, nil))),
			breaker.OnStateChange(func(s breaker.State) { states = append(states, s); panic("boom") })), h.handle)
		require.Equal(t, errMail, s.process(t.Context()))
		time.Sleep(breaker.DefaultOpenFor + 1)
		synctest.Wait()
		h.err = nil
		require.NoError(t, s.process(t.Context()))
		require.Equal(t, []breaker.State{breaker.Open, breaker.HalfOpen, breaker.Closed}, states)
		for _, want := range []string{
			`level=WARN msg="breaker opened, no messages are taken" downstream="mail server" open_for=30s`,
			`level=INFO msg="breaker half-open, the next message is a probe" downstream="mail server"`,
			`level=INFO msg="breaker closed" downstream="mail server"`,
			`level=ERROR msg="a change of state was not told" downstream="mail server" error="breaker: the function given to OnStateChange panicked: boom"`,
		} {
			require.Contains(t, out.String(), want)
		}
		require.NoError(t, s.Stop(t.Context()))
	})
}

func TestAFunctionThatIsSlowIsToldOneChangeAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.OnStateChange(func(s breaker.State) {
			told = append(told, string(s))
			time.Sleep(2 * breaker.DefaultOpenFor)
			told = append(told, "end of "+string(s))
		})), (&returning{errMail}).handle)
		require.Equal(t, errMail, s.process(t.Context()))
		require.Equal(t, []string{"open", "end of open", "half-open", "end of half-open"}, told)
		require.NoError(t, s.Stop(t.Context()))
	})
}

// The function may use the breaker itself, such as to process a message.
func TestAFunctionThatIsToldMayUseTheStack(t *testing.T) {
	t.Parallel()
	var s *service
	var got error
	s = start(t, breaker.New("mail server", breaker.Failures(1), breaker.OnStateChange(func(breaker.State) {
		got = errors.Join(s.process(t.Context()), s.Stop(t.Context()))
	})), (&returning{errMail}).handle)
	require.Equal(t, errMail, s.process(t.Context()))
	require.ErrorIs(t, got, breaker.ErrOpen)
	require.False(t, s.Paused(), "stopped")
}

func TestAFunctionThatEndsItsGoroutineLeavesTheBreakerAlive(t *testing.T) {
	t.Parallel()
	s := start(t, breaker.New("mail server", breaker.Failures(1), breaker.OnStateChange(func(breaker.State) { runtime.Goexit() })), (&returning{errMail}).handle)
	require.False(t, exits(func() { _ = s.process(t.Context()) }))
	require.True(t, s.Paused())
	require.NoError(t, s.Stop(t.Context()))
	require.False(t, s.Paused())
}

func TestWrongOptionsShowWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	for want, m := range map[string]processor.Middleware{
		"no name":           breaker.New(""),
		"option 1 is nil":   breaker.New("mail server", nil),
		"Failures is 0":     breaker.New("mail server", breaker.Failures(0)),
		"OpenFor is -1s":    breaker.New("mail server", breaker.OpenFor(-time.Second)),
		"OpenFor is 0s":     breaker.New("mail server", breaker.OpenFor(0)),
		"fit in 31 bits":    breaker.New("mail server", breaker.Failures(1<<31)),
		"must be 1 or more": breaker.New("mail server", breaker.Failures(-1)),
	} {
		_, err := stack.New(m).Then(processor.ProcessorFunc((&returning{}).handle))
		require.ErrorContains(t, err, want)
	}
}

func TestItDescribesItself(t *testing.T) {
	t.Parallel()
	s := build(t, breaker.New("mail server"), (&returning{}).handle)
	require.Equal(t, stack.LayerDescription{
		Name: "breaker", Role: stack.Breaks,
		Settings: []stack.Setting{
			{Name: "downstream", Value: "mail server"},
			{Name: "failures", Value: "5"},
			{Name: "open for", Value: "30s"},
			{Name: "counts", Value: "failed"},
		},
	}, s.Describe().Layers[0])
	s = build(t, breaker.New("mail server", breaker.Counts(func(error) bool { return true })), (&returning{}).handle)
	require.Contains(t, s.Describe().Layers[0].Settings, stack.Setting{Name: "counts", Value: "by a function"})
}

// cursed panics when it is printed, with itself.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

// The panic's text was built without a recover, and ended the process.
func TestAPanicThatCannotBePrintedIsSurvived(t *testing.T) {
	t.Parallel()
	m := breaker.New("mail server", breaker.Failures(1), breaker.Logger(slog.New(slog.DiscardHandler)),
		breaker.Counts(func(error) bool { panic(&cursed{}) }),
		breaker.OnStateChange(func(breaker.State) { panic(&cursed{}) }))
	s := start(t, m, (&returning{errMail}).handle)
	require.ErrorContains(t, s.process(t.Context()), "the function given to Counts panicked")
	require.NoError(t, s.Stop(t.Context()))
}
