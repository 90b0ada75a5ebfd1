package backoff_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/backoff"
)

func TestAgainIsARequestAboutItsCause(t *testing.T) {
	t.Parallel()
	cause := &fs.PathError{Op: "open", Path: "/", Err: errMail}
	for name, err := range map[string]error{
		"plain":     backoff.Again(cause),
		"wrapped":   fmt.Errorf("handler: %w", backoff.Again(cause)),
		"rejecting": backoff.Again(processor.Reject(cause)),
		"dropping":  backoff.Again(processor.Drop(cause)),
		"joined":    errors.Join(errOther, backoff.Again(cause)),
	} {
		require.ErrorIs(t, err, backoff.ErrAgain, name)
		require.ErrorIs(t, err, errMail, name)
		var as *fs.PathError
		require.ErrorAs(t, err, &as, name)
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err), name)
		require.Contains(t, err.Error(), cause.Error())
	}
	require.NotErrorIs(t, backoff.Again(cause), errOther)
	require.True(t, processor.Decide(backoff.Again(processor.Stop(errMail))).Stop, "a wish to stop stands")
}

func TestAgainWithoutACauseStillAsks(t *testing.T) {
	t.Parallel()
	err := backoff.Again(nil)
	require.ErrorIs(t, err, backoff.ErrAgain)
	require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
	require.EqualError(t, err, backoff.ErrAgain.Error())
}

// nothing is an If that selects no error.
func nothing(error) bool { return false }

// A request is followed whatever For and If say; a plain error is not.
func TestARequestIsAlwaysFollowed(t *testing.T) {
	t.Parallel()
	var typedNil *fs.PathError
	for name, tc := range map[string]struct {
		result error
		delays []time.Duration
	}{
		"again":             {backoff.Again(errMail), []time.Duration{time.Second}},
		"again, bare":       {backoff.ErrAgain, []time.Duration{time.Second}},
		"again, wrapped":    {fmt.Errorf("handler: %w", backoff.Again(nil)), []time.Duration{time.Second}},
		"again, typed nil":  {backoff.Again(typedNil), []time.Duration{time.Second}},
		"again over after":  {backoff.Again(processor.RetryAfter(errMail, time.Hour)), []time.Duration{time.Second}},
		"after":             {processor.RetryAfter(errMail, time.Hour), []time.Duration{time.Hour}},
		"after over again":  {processor.RetryAfter(backoff.Again(errMail), time.Hour), []time.Duration{time.Hour}},
		"after no time":     {processor.RetryAfter(errMail, 0), nil},
		"after negative":    {processor.RetryAfter(errMail, -time.Hour), nil},
		"a plain error":     {errMail, nil},
		"a typed nil error": {typedNil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, tc.result, backoff.If(nothing), backoff.Policy(backoff.If(nothing), backoff.Schedule(backoff.Fixed(time.Hour))))
			err := f.process(t)
			require.Equal(t, tc.delays, f.delays.delays)
			if tc.delays == nil {
				require.Equal(t, tc.result, err, "as it is")
			} else {
				require.NoError(t, err)
			}
		})
	}
}

// A request follows the policy that covers its cause.
func TestARequestTakesThePolicyOfItsCause(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		result error
		want   time.Duration
	}{
		"again":             {backoff.Again(errBusy), time.Minute},
		"again, other":      {backoff.Again(errMail), time.Second},
		"after":             {processor.RetryAfter(errBusy, time.Hour), time.Hour},
		"rejected in again": {backoff.Again(processor.Reject(errBusy)), time.Minute},
	} {
		f := newFixture(t, tc.result, backoff.Policy(backoff.For(errBusy), backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Retries(2)))
		require.NoError(t, f.process(t), name)
		require.Equal(t, []time.Duration{tc.want}, f.delays.delays, name)
		if tc.want > time.Second {
			require.ErrorIs(t, f.process(t, retries(2), processortest.Header(backoff.HeaderBackoffs+"-1", 2)), backoff.ErrExpired, name)
		}
	}
}

func TestWhatAHandlerAsksForIsNotSpread(t *testing.T) {
	t.Parallel()
	f := newFixture(t, processor.RetryAfter(errMail, time.Hour), backoff.Jitter(time.Minute), backoff.Normal(func() float64 { return 1 }))
	require.NoError(t, f.process(t))
	f.result = backoff.Again(errMail)
	require.NoError(t, f.process(t))
	require.Equal(t, []time.Duration{time.Hour, time.Minute}, f.delays.delays, "1 s and a minute more, to 12 s")
}
