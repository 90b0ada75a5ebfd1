package life

import (
	"context"
	"time"

	"github.com/gowarren/warren/internal/pacing"
)

// Waits between attempts to open a channel, doubling.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 5 * time.Second
)

// Lasting is how long a channel must live for its end to be a new incident.
const Lasting = 10 * time.Second

// AnswerTimeout is how long to wait for the broker when a channel is closed.
const AnswerTimeout = 10 * time.Second

// Wait is how long to wait after n failures in a row: between half and all of the nominal time, so
// that the clients of a lost node do not march in step.
func Wait(n int) time.Duration {
	if n == 0 {
		return 0
	}
	return pacing.Jitter(pacing.Doubling(firstWait, lastWait, n))
}

// Sleep waits for d, or until ctx ends.
func Sleep(ctx context.Context, d time.Duration) { pacing.Sleep(ctx, d) }
