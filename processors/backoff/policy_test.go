package backoff_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
		delay  time.Duration
		limit  int
	}{
		"the first":  {errBusy, time.Minute, 2},
		"the second": {errMail, time.Hour, 4},
		"none":       {errOther, time.Hour, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events []backoff.Event
			f := newFixture(t, tc.result, append(opts, backoff.OnBackoff(func(_ context.Context, e backoff.Event) { events = append(events, e) }))...)
			require.NoError(t, f.process(t, retries(tc.limit-1)))
			require.Equal(t, []time.Duration{tc.delay}, f.delays.delays)
			require.Equal(t, tc.limit, events[0].Retries)
			require.ErrorIs(t, f.process(t, retries(tc.limit)), backoff.ErrExpired)
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

// A message may fail for one reason and then for another: the count is one.
func TestPoliciesShareTheCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errBusy, backoff.Schedule(backoff.List(1*time.Second, 2*time.Second, 3*time.Second)),
		backoff.Policy(backoff.For(errBusy), backoff.Retries(2)))
	require.NoError(t, f.process(t))
	f.result = errMail
	require.NoError(t, f.process(t, retries(f.last(t).Headers[backoff.HeaderBackoffs])))
	f.result = errBusy
	require.ErrorIs(t, f.process(t, retries(f.last(t).Headers[backoff.HeaderBackoffs])), backoff.ErrExpired)
	require.Equal(t, []time.Duration{time.Second, 2 * time.Second}, f.delays.delays)
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
