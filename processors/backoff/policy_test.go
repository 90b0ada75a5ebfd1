package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

func TestWhichErrorsAreRetried(t *testing.T) {
	t.Parallel()
	temporary := backoff.If(func(err error) bool { return errors.Is(err, errMail) })
	for name, tc := range map[string]struct {
		opts    []backoff.Option
		retried []error
		back    []error
	}{
		"all":           {nil, []error{errMail, errBusy, errOther}, nil},
		"for one":       {[]backoff.Option{backoff.For(errBusy)}, []error{errBusy, fmt.Errorf("x: %w", errBusy)}, []error{errMail, errOther}},
		"for two":       {[]backoff.Option{backoff.For(errBusy, errMail)}, []error{errBusy, errMail}, []error{errOther}},
		"for, twice":    {[]backoff.Option{backoff.For(errBusy), backoff.For(errMail)}, []error{errBusy, errMail}, []error{errOther}},
		"if":            {[]backoff.Option{temporary}, []error{errMail}, []error{errBusy, errOther}},
		"for or if":     {[]backoff.Option{backoff.For(errBusy), temporary}, []error{errBusy, errMail}, []error{errOther}},
		"a policy":      {[]backoff.Option{backoff.Policy(backoff.For(errBusy))}, []error{errBusy, errMail, errOther}, nil},
		"only policies": {[]backoff.Option{backoff.If(nothing), backoff.Policy(backoff.For(errBusy)), backoff.Policy(temporary2)}, []error{errBusy, errMail}, []error{errOther}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, err := range tc.retried {
				f := newFixture(t, err, tc.opts...)
				require.NoError(t, f.process(t))
				require.Len(t, f.keys(), 1)
			}
			for _, err := range tc.back {
				f := newFixture(t, err, tc.opts...)
				require.Equal(t, err, f.process(t, retries(20)), "as it is, not even expired")
				require.Empty(t, f.keys())
				// It was returned to a queue that may have no dead-letter exchange, and was lost.
				f = newFixture(t, err, append(tc.opts, backoff.Park(parked))...)
				require.NoError(t, f.process(t))
				require.Equal(t, []string{parked.RoutingKey}, f.keys())
				require.Equal(t, err.Error(), f.pub.Published()[0].Envelope.Headers["warren-error"])
			}
		})
	}
}

var temporary2 = backoff.If(func(err error) bool { return errors.Is(err, errMail) })

// The first policy that covers an error counts, and takes what it does not set from the top.
func TestPolicies(t *testing.T) {
	t.Parallel()
	opts := []backoff.Option{
		backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Minute))),
		backoff.Schedule(backoff.Fixed(time.Hour)), // later, for the same error
		backoff.Retries(2),
		backoff.Policy(backoff.For(errMail, errBusy), backoff.Retries(4)),
	}
	for name, tc := range map[string]struct {
		result error
		policy int
		delay  time.Duration
		limit  int
	}{
		"the first":  {errBusy, 1, time.Minute, 2},
		"the second": {errMail, 2, time.Hour, 4},
		"none":       {errOther, 0, time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []backoff.Event
			f := newFixture(t, tc.result, append(opts, backoff.OnBackoff(func(_ context.Context, e backoff.Event) { events = append(events, e) }))...)
			count := func(n int) []processortest.Option {
				return []processortest.Option{retries(n), processortest.Header(fmt.Sprintf("%s-%d", backoff.HeaderBackoffs, tc.policy), n)}
			}
			require.NoError(t, f.process(t, count(tc.limit-1)...))
			require.Equal(t, []time.Duration{tc.delay}, f.delays.delays)
			require.Equal(t, tc.limit, events[0].Retries)
			require.Equal(t, tc.limit, events[0].Attempt)
			require.ErrorIs(t, f.process(t, count(tc.limit)...), backoff.ErrExpired)
		})
	}
	f := newFixture(t, nil, opts...)
	require.Equal(t, []time.Duration{time.Minute, time.Hour}, f.delays.all, "each once")
}

func TestAPolicyHasItsOwnJitter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errBusy, backoff.Normal(func() float64 { return 2 }), backoff.Jitter(0),
		backoff.Policy(backoff.For(errBusy), backoff.Jitter(10*time.Second)))
	require.NoError(t, f.process(t))
	f.result = errMail
	require.NoError(t, f.process(t))
	require.Equal(t, []time.Duration{22 * time.Second, time.Second}, f.delays.delays, "21 s, in steps of 2")
}

// copied is the message that the last copy becomes.
func (f *fixture) copied(t *testing.T) []processortest.Option {
	t.Helper()
	var opts []processortest.Option
	for name, value := range f.last(t).Headers {
		opts = append(opts, processortest.Header(name, value))
	}
	return opts
}

// Twenty-five waits for a busy server had used up the twenty retries of a real failure, which was
// parked at its first try.
func TestWaitsByAPolicyUseUpNoRetriesOfOtherErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errBusy, backoff.Jitter(0), backoff.Park(parked), // as in the README
		backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(10*time.Second)), backoff.Retries(1000)))
	require.NoError(t, f.process(t))
	for range 24 {
		require.NoError(t, f.process(t, f.copied(t)...))
	}
	f.result = errMail
	for range backoff.DefaultRetries {
		require.NoError(t, f.process(t, f.copied(t)...))
	}
	require.NotContains(t, f.keys(), parked.RoutingKey)
	require.Equal(t, []time.Duration{10 * time.Second, time.Second, 2 * time.Second}, f.delays.delays[24:27], "from the first delay on")
	require.NoError(t, f.process(t, f.copied(t)...))
	h := f.last(t).Headers
	require.Contains(t, f.keys(), parked.RoutingKey)
	require.Equal(t, int64(46), h["warren-failures"])
	require.Equal(t, int64(45), h[backoff.HeaderBackoffs])
}

func TestEachPolicyHasItsOwnCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errBusy, backoff.Schedule(backoff.List(1*time.Second, 2*time.Second, 3*time.Second)), backoff.Retries(2),
		backoff.Policy(backoff.For(errBusy), backoff.Retries(1)), backoff.Policy(backoff.For(errMail)))
	require.NoError(t, f.process(t))
	for _, err := range []error{errMail, errOther, errMail, errOther} {
		f.result = err
		require.NoError(t, f.process(t, f.copied(t)...))
	}
	require.Equal(t, []time.Duration{time.Second, time.Second, time.Second, 2 * time.Second, 2 * time.Second}, f.delays.delays)
	for _, err := range []error{errBusy, errMail, errOther} {
		f.result = err
		require.ErrorIs(t, f.process(t, f.copied(t)...), backoff.ErrExpired)
	}
}

// Whatever a sender writes, each failure brings a message nearer to its end.
func TestForgedCountsOfPoliciesEnd(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		total, first any
		limit        int // of the policy
		most         int // retries until the end
	}{
		"the policy's alone":      {nil, int64(1000), 5, 2},
		"all of them":             {int64(3), int64(3), 5, 2},
		"more than all":           {int64(1), int64(1000), 5, 2},
		"negative":                {int64(-7), int64(-7), 5, 2},
		"huge":                    {int64(math.MaxInt64), int64(math.MaxInt64), 5, 0},
		"huge, and without limit": {int64(math.MaxInt64), int64(math.MaxInt64), processor.NoLimit, 0},
		"text":                    {"1", "1", 5, 2},
		"a whole float":           {2.0, 1.0, 5, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, errMail, backoff.Retries(2), backoff.Park(parked), backoff.Policy(backoff.For(errBusy), backoff.Retries(tc.limit)))
			msg := []processortest.Option{retries(tc.total), processortest.Header(backoff.HeaderBackoffs+"-1", tc.first)}
			for range tc.most {
				require.NoError(t, f.process(t, msg...))
				require.NotContains(t, f.keys(), parked.RoutingKey)
				msg = f.copied(t)
			}
			require.NoError(t, f.process(t, msg...))
			require.Contains(t, f.keys(), parked.RoutingKey)
		})
	}
}

// A caller's slice is not kept.
func TestErrorsAndDelaysAreCopied(t *testing.T) {
	t.Parallel()
	errs, delays := []error{errBusy}, []time.Duration{time.Second, time.Minute}
	f := newFixture(t, errBusy, backoff.For(errs...), backoff.Schedule(backoff.List(delays...)))
	errs[0], delays[0] = errOther, time.Hour
	require.NoError(t, f.pipeline.Process(t.Context(), message()))
	require.Equal(t, []time.Duration{time.Second}, f.delays.delays)
}

// They had one count: the waits by the inner one used up the retries of the outer.
func TestTwoLayersAreRefused(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	_, err := stack.New(backoff.New(pub, "mail"), backoff.New(pub, "mail", backoff.For(errBusy))).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.Error(t, err)
	branch, err := stack.New(backoff.New(pub, "mail")).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	_, err = stack.New(backoff.New(pub, "mail")).Then(mux.New(mux.ByKey, mux.On("k", branch)))
	require.ErrorContains(t, err, "backoff: two layers have one count")
}
