package writefiles

// Step calls f before each operation. If it returns an error, the operation fails with it.
func Step(f func(operation, name string) error) Option { return func(c *config) { c.step = f } }
