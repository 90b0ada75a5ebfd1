package republish

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/gowarren/warren/internal/callback"
)

// wrappers are the packages whose errors say how a failure was passed on, not what failed.
var wrappers = []string{
	"errors", "fmt",
	"github.com/gowarren/warren/processor",
	"github.com/gowarren/warren/internal/republish",
	"github.com/gowarren/warren/processors/retry",
	"github.com/gowarren/warren/processors/backoff",
}

// errorType is the type of the outermost error that is not a mere wrapper: the one that a
// program defines to tell failures apart. The error that it wraps is often only an errors.New. If
// all are wrappers it is the type of the innermost.
func errorType(err error) string {
	for isWrapper(err) {
		inner := unwrap(err)
		if inner == nil {
			break
		}
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

func isWrapper(err error) bool {
	t := reflect.TypeOf(err)
	if t == nil {
		return false
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return slices.Contains(wrappers, t.PkgPath())
}

// unwrap returns the error that err wraps, the first if there are several; nil if there is none, or
// if Unwrap panics, as that of a typed nil pointer may.
func unwrap(err error) (inner error) {
	_ = callback.Call("Unwrap", func() {
		switch e := err.(type) { //nolint:errorlint // one step of the walk
		case interface{ Unwrap() error }:
			inner = e.Unwrap()
		case interface{ Unwrap() []error }:
			inner = first(e.Unwrap())
		}
	})
	return inner
}

// first returns the first error of all, nil if there is none.
func first(all []error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
