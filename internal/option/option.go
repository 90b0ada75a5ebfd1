// Package option applies functional options.
package option

import "fmt"

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
