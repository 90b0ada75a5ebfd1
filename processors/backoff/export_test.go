package backoff

// Normal replaces the random number that jitter is made from.
func Normal(f func() float64) Option { return setting(func(c *config) { c.normal = f }) }
