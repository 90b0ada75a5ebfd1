// Package pacing says how long to wait before another try, and waits.
package pacing

import (
	"context"
	"math/rand/v2"
	"time"
)

// Doubling returns the nth wait, from 1: base, doubled each time, and at most limit.
func Doubling(base, limit time.Duration, n int) time.Duration {
	doublings := min(max(n-1, 0), 62)
	if base > limit>>doublings {
		return limit
	}
	return base << doublings
}

// Jitter returns a random time between half of d and d, so that clients that wait for the same
// event do not try in step. It is 0 if d is not positive.
func Jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return d - rand.N(d/2+1) //nolint:gosec // no secret
}

// Sleep waits for d, or until ctx ends, and reports whether it has not.
func Sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}
