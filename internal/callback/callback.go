// Package callback calls functions that users have given to Warren, such as those of the
// options If, Key and OnError. They often run outside the recovery layer, where a panic would
// end the process, and would do so again each time the broker delivers the message.
//
// One rule holds for all of them: a function that panics loses no message and ends no goroutine
// of Warren's. Its panic is an error, which the caller handles like one that the function returns.
// runtime.Goexit cannot be stopped. On a goroutine that is replaced, such as a consumer's
// worker, it passes ([Call]); elsewhere the function gets a goroutine of its own ([Apart]).
//
// A function that a user passes to a call and that runs before that returns, such as the
// operation of ensure.Do, may panic: that is the user's own goroutine.
package callback

import (
	"fmt"
	"runtime/debug"

	"github.com/gowarren/warren/internal/excerpt"
)

// maxText is the most bytes of a panic's text.
const maxText = 256

// Call calls f and returns its panic as a [PanicError]. what names the function at the beginning of
// the error, as in "retry: the function given to If".
func Call(what string, f func()) (err error) {
	returned := false
	defer func() {
		// Not `recover() != nil`: with GODEBUG=panicnil=1 a panic(nil) would be a success.
		if !returned {
			err = &PanicError{what: what, Value: recover(), Stack: string(debug.Stack())}
		}
	}()
	f()
	returned = true
	return nil
}

// After is [Call] for a function about a message that has failed. The error wraps failure, so
// that the decision in it counts.
func After(what string, failure error, f func()) error {
	if problem := Call(what, f); problem != nil {
		return &afterError{problem, failure}
	}
	return nil
}

// If asks the function of an option If about a message that has failed with failure. Without a
// function the answer is yes.
func If(who string, f func(error) bool, failure error) (yes bool, problem error) {
	if f == nil {
		return true, nil
	}
	problem = After(who+": the function given to If", failure, func() { yes = f(failure) })
	return yes, problem
}

// Apart is [Call] in a goroutine of its own, and waits for it. runtime.Goexit ends only that
// goroutine, and is an error as well.
func Apart(what string, f func()) error {
	result := make(chan error, 1)
	go func() {
		err := fmt.Errorf("%s called runtime.Goexit", what)
		defer func() { result <- err }()
		err = Call(what, f)
	}()
	return <-result
}

// PanicError is the panic of a function. It does not unwrap to the value: a decision in there was
// not made about the message.
type PanicError struct {
	what  string
	Value any
	Stack string
}

func (p *PanicError) Error() string { return p.what + " panicked: " + excerpt.Panic(p.Value, maxText) }

// afterError is the failure of a message that had failed when a function panicked.
type afterError struct{ problem, failure error }

func (e *afterError) Error() string {
	return fmt.Sprintf("%v; the message had failed with: %v", e.problem, e.failure)
}

func (e *afterError) Unwrap() error { return e.failure }
