package processor

import (
	"errors"
	"fmt"
	"iter"
)

// Decorated returns v and every value that it decorates, outermost first. A decorator shows the value
// that it decorates by a method Unwrap() T; see [Publisher]. So an optional interface that only
// reports something, such as [Checker], is found under any number of decorators. One that acts, such as
// [BatchPublisher], counts only on the outermost: calling it further in would bypass the decorators.
func Decorated[T any](v T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for yield(v) {
			d, ok := any(v).(interface{ Unwrap() T })
			if !ok {
				return
			}
			v = d.Unwrap()
		}
	}
}

// Check joins the errors of each [Checker] among v and the values that it decorates. A decorator of
// nil is an error too.
func Check[T any](v T) error {
	var errs []error
	outer := "it"
	for d := range Decorated(v) {
		if isNil(d) {
			return errors.Join(append(errs, fmt.Errorf("%s is nil: pass the real one", outer))...)
		}
		if c, ok := any(d).(Checker); ok {
			errs = append(errs, c.Check())
		}
		outer = fmt.Sprintf("what %T decorates", d)
	}
	return errors.Join(errs...)
}

// isNil reports whether v is nil, also as a function.
func isNil(v any) bool {
	f, isFunc := v.(PublisherFunc)
	return v == nil || isFunc && f == nil
}
