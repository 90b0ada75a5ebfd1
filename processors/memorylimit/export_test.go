package memorylimit

// Gauge replaces the memory of the process.
func Gauge(used func() (bytes uint64), collect func()) Option {
	return func(c *config) { c.gauge = func() gauge { return gauge{used, collect} } }
}
