// Package option applies functional options, and checks what they were given.
package option

import (
	"fmt"
	"time"
)

// Apply calls each option with c. A nil option is an error that names the package and
// its place; those after it are not applied.
func Apply[C any, O ~func(*C)](name string, c *C, opts []O) error {
	for i, o := range opts {
		if o == nil {
			return fmt.Errorf("%s: option %d is nil: leave it out", name, i+1)
		}
		o(c)
	}
	return nil
}

// Unit returns an error if d is more than 0 and less than least, which is nearly always a
// number without its unit: 300 for 300*time.Second. The error begins with what d is.
func Unit(what string, d, least time.Duration) error {
	if d <= 0 || d >= least {
		return nil
	}
	return fmt.Errorf("%s is %v: that is less than %v; was time.Second left out?", what, d, least)
}
