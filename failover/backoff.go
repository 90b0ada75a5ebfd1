package failover

import "time"

// backoff is the schedule of waits between rounds.
type backoff struct {
	base, limit time.Duration
}

// wait returns how long to wait after so many rounds without success, the first being
// 1. random, from 0 up to 1, places the wait between half of the step and all of it.
func (b backoff) wait(rounds int, random float64) time.Duration {
	step := b.base
	for range rounds - 1 {
		if step >= b.limit/2 {
			step = b.limit // this also keeps the doubling from overflowing
			break
		}
		step *= 2
	}
	half := step / 2
	return half + time.Duration(random*float64(step-half))
}
