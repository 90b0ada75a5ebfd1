package republish

import (
	"fmt"

	"github.com/gowarren/warren/internal/excerpt"
)

// Guard calls a function that a user gave to an option, and returns its panic as an
// error. Such functions run outside the recovery layer: a panic would end the process,
// and do so again each time the broker delivers the message. err is why the message had
// failed.
func (s *Sender) Guard(option string, err error, f func()) (problem error) {
	returned := false
	defer func() {
		if !returned {
			problem = &callbackError{s.Name, option, recover(), err}
		}
	}()
	f()
	returned = true
	return nil
}

// callbackError is the failure of a message that had failed with err when a function of
// the user's panicked.
type callbackError struct {
	processor string
	option    string
	value     any
	err       error
}

func (e *callbackError) Error() string {
	return fmt.Sprintf("%s: the function given to %s panicked: %s; the message had failed with: %v",
		e.processor, e.option, excerpt.Panic(e.value, maxError), e.err)
}

func (e *callbackError) Unwrap() error { return e.err }
