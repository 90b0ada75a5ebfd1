package backoff_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processors/backoff"
)

// asked are the delays of the first n retries.
func asked(t *testing.T, n int, s backoff.Intervals) []time.Duration {
	t.Helper()
	f := newFixture(t, errMail, backoff.Schedule(s), backoff.Retries(processor.NoLimit))
	for count := range n {
		require.NoError(t, f.process(t, retries(count)))
	}
	return f.delays.delays
}

func TestIntervals(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, tc := range map[string]struct {
		intervals backoff.Intervals
		want      []time.Duration
	}{
		"fixed":               {backoff.Fixed(s), []time.Duration{s, s, s}},
		"none":                {backoff.Fixed(0), []time.Duration{0, 0}},
		"list":                {backoff.List(3*s, 0, 2*s), []time.Duration{3 * s, 0, 2 * s, 2 * s, 2 * s}},
		"exponential":         {backoff.Exponential(s, 10*s), []time.Duration{s, 2 * s, 4 * s, 8 * s, 10 * s, 10 * s}},
		"exponential, exact":  {backoff.Exponential(s, 4*s), []time.Duration{s, 2 * s, 4 * s, 4 * s}},
		"exponential, of one": {backoff.Exponential(s, s), []time.Duration{s, s}},
		"func":                {backoff.Func(minutes), []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}},
		"func, negative":      {backoff.Func(func(n int, _ processor.Message) time.Duration { return time.Duration(2-n) * s }), []time.Duration{s, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, asked(t, len(tc.want), tc.intervals))
		})
	}
}

func TestExponentialDoesNotOverflow(t *testing.T) {
	t.Parallel()
	all := asked(t, 70, backoff.Exponential(time.Millisecond, math.MaxInt64))
	for i := range 43 {
		require.Equal(t, time.Millisecond<<i, all[i])
	}
	for i := 1; i < 70; i++ {
		require.GreaterOrEqual(t, all[i], all[i-1])
	}
	require.Equal(t, time.Duration(math.MaxInt64), all[69])
}

func TestFuncIsGivenTheMessage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, errMail, backoff.Schedule(backoff.Func(func(attempt int, msg processor.Message) time.Duration {
		n, _ := msg.Headers().Int64("wait")
		return time.Duration(n*int64(attempt)) * time.Second
	})))
	require.NoError(t, f.process(t, retries(4), processortest.Header("wait", 7)))
	require.Equal(t, []time.Duration{35 * time.Second}, f.delays.delays)
}
