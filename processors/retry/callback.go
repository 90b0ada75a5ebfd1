package retry

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// The functions that a user gives run outside the recovery layer. A panic of theirs
// would end the process, and do so again each time the broker delivers the message.

// wants asks [If].
func (r *retry) wants(err error) (wanted bool, problem error) {
	if r.filter == nil {
		return true, nil
	}
	problem = guard("If", err, func() { wanted = r.filter(err) })
	return wanted, problem
}

// key makes the routing key of a retry.
func (r *retry) key(attempt int, msg processor.Message, err error) (key string, problem error) {
	if r.keyFunc == nil {
		return r.parts.key(attempt), nil
	}
	problem = guard("Keys", err, func() { key = r.keyFunc(attempt, msg) })
	return key, problem
}

// tell calls [OnRepublish].
func (r *retry) tell(ctx context.Context, ev Event) error {
	if r.notify == nil {
		return nil
	}
	return guard("OnRepublish", ev.Err, func() { r.notify(ctx, ev) })
}

// guard calls f and returns its panic as an error.
func guard(option string, err error, f func()) (problem error) {
	returned := false
	defer func() {
		if !returned {
			problem = &callbackError{option, recover(), err}
		}
	}()
	f()
	returned = true
	return nil
}

// callbackError is the failure of a message that had failed with err when a function of
// the user's panicked.
type callbackError struct {
	option string
	value  any
	err    error
}

func (e *callbackError) Error() string {
	return fmt.Sprintf("retry: the function given to %s panicked: %v; the message had failed with: %v", e.option, e.value, e.err)
}

func (e *callbackError) Unwrap() error { return e.err }
