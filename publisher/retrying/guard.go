package retrying

import (
	"fmt"

	"github.com/gowarren/warren/internal/excerpt"
)

// maxText is the most bytes of what a panic says.
const maxText = 256

// guard calls a function that was given to an option, and returns its panic as an error:
// it would hide what became of the message.
func guard(option string, f func()) (problem error) {
	returned := false
	defer func() {
		if !returned {
			problem = fmt.Errorf("the function given to %s panicked: %s", option, excerpt.Panic(recover(), maxText))
		}
	}()
	f()
	returned = true
	return nil
}
