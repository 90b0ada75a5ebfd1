package backoff_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/backoff"
)

// The snippets of nameko-amqp-retry's documentation, each with its exact times, as with
// random_sigma 0.

const ms = time.Millisecond

func TestRegularBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, always(backoff.Again(nil)), backoff.Schedule(backoff.Fixed(1000*ms)), backoff.Jitter(0))
		require.ErrorIs(t, p.deliver(t, 21), backoff.ErrExpired)
		for i, at := range p.at {
			require.Equal(t, time.Duration(i)*time.Second, at)
		}
		p.ends(t, inDead)
	})
}

func TestInfiniteBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds = 200
		failures := slices.Repeat([]error{backoff.Again(nil)}, rounds)
		p := newPost(t, inTurn(failures...), backoff.Retries(processor.NoLimit), backoff.Jitter(0))
		require.NoError(t, p.deliver(t, rounds+1))
		want := slices.Concat(fibonacci, slices.Repeat([]time.Duration{55 * time.Second}, rounds-len(fibonacci)))
		require.Equal(t, want, p.gaps())
		p.ends(t, processed)
	})
}

// fibonacci is the default schedule.
var fibonacci = []time.Duration{1000 * ms, 2000 * ms, 3000 * ms, 5000 * ms, 8000 * ms, 13_000 * ms, 21_000 * ms, 34_000 * ms, 55_000 * ms}

func TestImpatientBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, always(backoff.Again(nil)), backoff.Schedule(backoff.List(100*ms, 200*ms, 500*ms)), backoff.Jitter(0), backoff.Retries(6))
		require.ErrorIs(t, p.deliver(t, 7), backoff.ErrExpired)
		require.Equal(t, []time.Duration{100 * ms, 200 * ms, 500 * ms, 500 * ms, 500 * ms, 500 * ms}, p.gaps())
		p.ends(t, inDead)
	})
}

func TestDynamicBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		squares := func(attempt int, _ processor.Message) time.Duration {
			return time.Duration(attempt*attempt) * 100 * ms
		}
		p := newPost(t, inTurn(slices.Repeat([]error{backoff.Again(nil)}, 20)...), backoff.Schedule(backoff.Func(squares)), backoff.Jitter(0))
		require.NoError(t, p.deliver(t, 21))
		gaps := p.gaps()
		require.Len(t, gaps, 20)
		for i, gap := range gaps {
			require.Equal(t, time.Duration((i+1)*(i+1))*100*ms, gap)
		}
		p.ends(t, processed)
	})
}

func TestEntrypointRetry(t *testing.T) {
	t.Parallel()
	errType, errValue := errors.New("TypeError"), errors.New("ValueError")
	opts := []backoff.Option{
		backoff.For(errType, errValue), backoff.Retries(5), backoff.Jitter(0),
		backoff.Schedule(backoff.List(500*ms, 600*ms, 700*ms, 800*ms, 900*ms)),
	}
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, inTurn(errType, errValue, fmt.Errorf("calculate: %w", errValue), errType, errType, errValue), opts...)
		err := p.deliver(t, 6)
		require.ErrorIs(t, err, backoff.ErrExpired)
		require.ErrorIs(t, err, errValue)
		require.Equal(t, []time.Duration{500 * ms, 600 * ms, 700 * ms, 800 * ms, 900 * ms}, p.gaps())
		p.ends(t, inDead)
	})
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, inTurn(errType, errOther), opts...)
		err := p.deliver(t, 2)
		require.Equal(t, errOther, err, "no other error is retried")
		p.ends(t, inDead)
	})
}

func TestBackoffExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPost(t, always(backoff.Again(errMail)), backoff.Jitter(0))
		err := p.deliver(t, 21)
		require.ErrorIs(t, err, backoff.ErrExpired)
		require.ErrorIs(t, err, errMail)
		want := slices.Concat(fibonacci, slices.Repeat([]time.Duration{55 * time.Second}, backoff.DefaultRetries-len(fibonacci)))
		require.Equal(t, want, p.gaps())
		require.EqualError(t, err, "backoff: expired after 20 retries in 12m27s: mail server says no")
		p.ends(t, inDead)
	})
}

// With the default jitter, in a ladder: never before its time, and no later than the unit
// and four standard deviations.
func TestTheDefaultsWithTheirJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var delays []time.Duration
		p := newPost(t, always(errMail), backoff.OnBackoff(remember(&delays)))
		require.ErrorIs(t, p.deliver(t, 21), backoff.ErrExpired)
		for i, gap := range p.gaps() {
			require.GreaterOrEqual(t, gap, delays[i])
			require.Less(t, gap, delays[i]+delay.DefaultUnit)
			require.InDelta(t, fibonacci[min(i, 8)], delays[i], float64(600*ms))
		}
		p.ends(t, inDead)
	})
}
