package failover_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
)

func TestBackoffDoublesUpToItsLimit(t *testing.T) {
	t.Parallel()
	const base, limit = 250 * time.Millisecond, 15 * time.Second
	for i, ms := range []int64{250, 500, 1000, 2000, 4000, 8000, 15000, 15000} {
		step := time.Duration(ms) * time.Millisecond
		require.Equal(t, step/2, failover.BackoffWait(base, limit, i+1, 0))
		require.InDelta(t, float64(step), float64(failover.BackoffWait(base, limit, i+1, 0.999999)), float64(time.Millisecond))
	}
}

func TestBackoffNeverOverflows(t *testing.T) {
	t.Parallel()
	const longest = time.Duration(math.MaxInt64)
	for _, rounds := range []int{1, 63, 64, 65, 1000, math.MaxInt} {
		wait := failover.BackoffWait(time.Nanosecond, longest, rounds, 0.5)
		require.GreaterOrEqual(t, wait, time.Duration(0))
		require.LessOrEqual(t, failover.BackoffWait(time.Second, time.Second, rounds, 0.9), time.Second)
	}
}
