package backoff_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processors/backoff"
)

func TestJitterIsRoundedToAFifthOfIt(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, tc := range []struct {
		delay, sigma time.Duration
		normal       float64
		want         time.Duration
	}{
		{time.Second, 100 * ms, 0, time.Second},
		{time.Second, 100 * ms, 1, 1100 * ms},
		{time.Second, 100 * ms, -1, 900 * ms},
		{time.Second, 100 * ms, 0.09, time.Second},
		{time.Second, 100 * ms, 0.11, 1020 * ms},
		{time.Second, 100 * ms, -0.29, 980 * ms},
		{time.Second, 100 * ms, -11, 0}, // never negative
		{10 * ms, 100 * ms, -1, 0},
		{1005 * ms, 100 * ms, 0, time.Second}, // nameko-amqp-retry rounds the whole
		{0, 100 * ms, 1, 100 * ms},
		{time.Second, 0, 3, time.Second},
		{time.Second, 100 * ms, math.Inf(1), 1 << 62}, // no overflow
	} {
		f := newFixture(t, errMail, backoff.Schedule(backoff.Fixed(tc.delay)), backoff.Jitter(tc.sigma), backoff.Normal(func() float64 { return tc.normal }))
		require.NoError(t, f.process(t))
		require.Equal(t, []time.Duration{tc.want}, f.delays.delays, "%+v", tc)
	}
}

// 10,000 delays of a known source: their mean, their spread, and how many there are.
func TestJitterIsNormal(t *testing.T) {
	t.Parallel()
	const n = 10_000
	random := rand.New(rand.NewPCG(1, 2))
	f := newFixture(t, errMail, backoff.Schedule(backoff.Fixed(time.Minute)), backoff.Jitter(100*time.Millisecond), backoff.Normal(random.NormFloat64))
	for range n {
		require.NoError(t, f.process(t))
	}
	distinct := map[time.Duration]bool{}
	var sum, squares float64
	within := 0
	for _, d := range f.delays.delays {
		require.Zero(t, d%(20*time.Millisecond))
		distinct[d] = true
		off := (d - time.Minute).Seconds()
		sum += off
		squares += off * off
		if math.Abs(off) <= 0.1 {
			within++
		}
	}
	require.InDelta(t, 0, sum/n, 0.003)
	require.InDelta(t, 0.1, math.Sqrt(squares/n), 0.003)
	require.InDelta(t, 0.73, float64(within)/n, 0.02, "68% and half a group at each end")
	require.Less(t, len(distinct), 50, "few queues, where each delay has its own")
}

func TestJitterByDefault(t *testing.T) {
	t.Parallel()
	require.Equal(t, "100ms", setting(t, "jitter"))
	f := newFixture(t, errMail, backoff.Jitter(backoff.DefaultJitter))
	for range 100 {
		require.NoError(t, f.process(t))
	}
	distinct := map[time.Duration]bool{}
	for _, d := range f.delays.delays {
		distinct[d] = true
		require.InDelta(t, time.Second, d, float64(time.Second))
	}
	require.Greater(t, len(distinct), 5)
}
