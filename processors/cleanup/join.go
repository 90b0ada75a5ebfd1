package cleanup

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/processor"
)

// join returns the error of a message for which the inner layers returned err, and the
// function problem.
func join(err, problem error) error {
	switch {
	case problem == nil:
		return err
	case processor.Decide(problem).Action == processor.Done:
		return errors.Join(err, problem) // a wish to stop, and nothing else
	}
	return keep(processor.Decide(err), errors.Join(err, &failure{problem}))
}

// keep makes d the decision of err, whatever err holds; a wish to stop inside it stands.
func keep(d processor.Decision, err error) error {
	switch d.Action {
	case processor.Done, processor.Dropped:
		return processor.Drop(err)
	case processor.Rejected:
		return processor.Reject(err)
	case processor.Requeued:
		return processor.Requeue(err)
	case processor.Released:
		return processor.Release(err)
	}
	return processor.RetryAfter(err, d.After)
}

// failure is the error of a cleanup. Making it calls no method of err, which is a user's
// and may panic.
type failure struct{ err error }

func (f *failure) Error() string { return fmt.Sprintf("cleanup: %v", f.err) }
func (f *failure) Unwrap() error { return f.err }

// panicError is the panic of a cleanup. It does not unwrap: a decision inside the value was
// not made about this message.
type panicError struct{ value any }

func (e *panicError) Error() string {
	if e.value == nil {
		return "the function called runtime.Goexit"
	}
	return fmt.Sprintf("the function panicked: %v", e.value)
}
