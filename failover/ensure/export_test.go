package ensure

import (
	"time"
)

// IntervalOf is the wait before retry n.
func IntervalOf(n int, opts ...Option) time.Duration {
	c, _ := newConfig(opts)
	return c.interval(n)
}
