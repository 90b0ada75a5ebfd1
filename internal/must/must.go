// Package must is for tests: it tells the two results of a constructor apart within an
// expression.
package must

// Have returns v, or panics with err.
func Have[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Fail returns err, or panics if there is none.
func Fail[T any](_ T, err error) error {
	if err == nil {
		panic("it does not fail")
	}
	return err
}
