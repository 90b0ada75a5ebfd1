package instantretry

import "fmt"

// wants asks [If]. Its function runs outside the recovery layer: a panic would end the
// process, and do so again each time the broker delivers the message.
func (r *instantRetry) wants(err error) (wanted bool, problem error) {
	if r.filter == nil {
		return true, nil
	}
	returned := false
	defer func() {
		if !returned {
			problem = &filterError{recover(), err}
		}
	}()
	wanted = r.filter(err)
	returned = true
	return wanted, nil
}

// filterError is the failure of a message that had failed with err when the function
// given to [If] panicked.
type filterError struct {
	value any
	err   error
}

func (e *filterError) Error() string {
	return fmt.Sprintf("instantretry: the function given to If panicked: %v; the message had failed with: %v", e.value, e.err)
}

func (e *filterError) Unwrap() error { return e.err }
