package backoff

import (
	"math"
	"time"
)

// groups is how many values a jittered delay can have for each standard deviation, as in
// nameko-amqp-retry: where each delay has a queue of its own they must stay few.
const groups = 5

// jittered spreads d by a standard deviation of sigma; normal is a number of the normal
// distribution.
func jittered(d, sigma time.Duration, normal float64) time.Duration {
	if sigma == 0 {
		return d
	}
	group := float64(sigma) / groups
	spread := math.Round((float64(d)+normal*float64(sigma))/group) * group
	return time.Duration(min(max(spread, 0), 1<<62))
}
