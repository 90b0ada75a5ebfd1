package readfiles

// Step calls f at each point of the way of a file.
func Step(f func(point string)) Option { return func(c *config) { c.step = f } }
