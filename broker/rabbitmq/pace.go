package rabbitmq

import (
	"context"
	"time"
)

// Waits between attempts to open a channel, doubling.
const (
	firstWait = 50 * time.Millisecond
	lastWait  = 5 * time.Second
)

// lasting is how long a channel must live for its end to be a new incident.
const lasting = 10 * time.Second

// answerTimeout is how long the broker is waited for when a channel is closed.
const answerTimeout = 10 * time.Second

// wait is how long to wait after the nth failure in a row, from 1.
func wait(n int) time.Duration { return min(firstWait<<min(n-1, 10), lastWait) }

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
