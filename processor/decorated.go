package processor

import (
	"errors"
	"fmt"
	"iter"
)

// Decorated returns v and all that it decorates, outermost first. A decorator shows what it
// decorates by a method Unwrap() T; see [Publisher]. So an optional ability that only tells
// something, such as [Checker], is found however often it was decorated. One that acts, such as
// [BatchPublisher], is asked of the outermost alone: whoever finds it further in goes past the
// decorators.
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

// Check joins what each [Checker] among v and all that it decorates says. A decorator of nil
// cannot work either.
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
