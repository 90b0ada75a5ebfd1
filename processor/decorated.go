package processor

import (
	"errors"
	"fmt"
	"iter"
	"reflect"
)

// Decorated returns v and every value that it decorates, outermost first. A decorator shows the value
// that it decorates by a method Unwrap() T; see [Publisher]. So an optional interface that only
// reports something, such as [Checker], is found under any number of decorators. One that acts, such as
// [BatchPublisher], counts only on the outermost: calling it further in would bypass the decorators.
//
// It ends after 1,000 values: one that decorates itself has no end, which [Check] reports.
func Decorated[T any](v T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for range maxDecorated {
			if !yield(v) || isNil(v) {
				return
			}
			d, ok := any(v).(interface{ Unwrap() T })
			if !ok {
				return
			}
			v = d.Unwrap()
		}
	}
}

const maxDecorated = 1000

// Check joins the errors of each [Checker] among v and the values that it decorates. A decorator of
// nil is an error too, and so is one that decorates itself. A nil pointer, function or the like is nil.
func Check[T any](v T) error {
	var errs []error
	outer, n := "it", 0
	for d := range Decorated(v) {
		if n++; n == maxDecorated {
			return errors.Join(append(errs, fmt.Errorf("%s leads back to itself by its Unwrap", outer))...)
		}
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

// isNil reports whether v is nil, also as a pointer or the like in an interface.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
