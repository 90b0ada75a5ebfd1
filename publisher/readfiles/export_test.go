package readfiles

import "os"

// Step calls f at each point of the way of a file.
func Step(f func(point string)) Option { return func(c *config) { c.step = f } }

// Locks has files locked by f.
func Locks(f func(*os.File) (bool, error)) Option { return func(c *config) { c.lock = f } }

// Lock is what locks files else.
var Lock = lock

// MaxSightings is how many files of the future are remembered.
const MaxSightings = maxSightings

// Remember sets how many files that have failed are remembered.
func Remember(n int) Option { return func(c *config) { c.maxDelays = n } }
