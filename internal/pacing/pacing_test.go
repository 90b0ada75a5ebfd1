package pacing_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/pacing"
)

func TestDoubling(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{
		-1: time.Second, 0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second,
		4: 5 * time.Second, 1000: 5 * time.Second, math.MaxInt: 5 * time.Second,
	} {
		require.Equal(t, want, pacing.Doubling(time.Second, 5*time.Second, n), n)
	}
	require.Equal(t, time.Duration(1<<62), pacing.Doubling(1, math.MaxInt64, 100), "no overflow")
}

func TestJitter(t *testing.T) {
	t.Parallel()
	require.Zero(t, pacing.Jitter(0))
	require.Zero(t, pacing.Jitter(-time.Second))
	seen := map[time.Duration]bool{}
	for range 1000 {
		d := pacing.Jitter(10)
		require.GreaterOrEqual(t, d, time.Duration(5))
		require.LessOrEqual(t, d, time.Duration(10))
		seen[d] = true
	}
	require.Len(t, seen, 6)
	require.Positive(t, pacing.Jitter(math.MaxInt64))
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		require.True(t, pacing.Sleep(t.Context(), time.Hour))
		require.Equal(t, time.Hour, time.Since(start))
		require.True(t, pacing.Sleep(t.Context(), -time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.False(t, pacing.Sleep(ctx, time.Hour))
		require.False(t, pacing.Sleep(ctx, 0))
		require.Equal(t, time.Hour+time.Minute, time.Since(start))
	})
}
