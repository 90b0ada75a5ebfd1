package backoff

// Normal sets what jitter is made from, instead of a random number.
func Normal(f func() float64) Option { return setting(func(c *config) { c.normal = f }) }
