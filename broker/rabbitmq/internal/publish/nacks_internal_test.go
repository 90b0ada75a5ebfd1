package publish

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Leaders that die one after the other, as in a rolling restart, are each replaced at
// once; a queue that stays full is not.
func TestNacksArePacedUntilTheyEnd(t *testing.T) {
	t.Parallel()
	var r refusals
	now := time.Now()
	var waits []time.Duration
	nack := func(d time.Duration) {
		now = now.Add(d)
		wait := r.due(now)
		waits = append(waits, wait)
		now = now.Add(wait)
		if wait > 0 {
			require.Zero(t, r.due(now), "it has waited")
		}
	}
	for range 9 {
		nack(time.Millisecond)
	}
	require.Equal(t, []time.Duration{0, 99 * time.Millisecond, 199 * time.Millisecond}, waits[:3])
	require.Equal(t, lastInterval-time.Millisecond, waits[8])

	waits = nil
	nack(quietAfter / 2)
	nack(time.Millisecond)
	require.Equal(t, []time.Duration{0, lastInterval - time.Millisecond}, waits, "it goes on")

	waits = nil
	nack(quietAfter + time.Second)
	nack(time.Millisecond)
	require.Equal(t, []time.Duration{0, firstInterval - time.Millisecond}, waits)
}
