package callback

import "reflect"

// As is errors.As for an error of a handler's; see [Is].
func As(err error, target any) (found bool) {
	to := reflect.ValueOf(target).Elem()
	_ = Call("", func() { Walk(err, func(e error) bool { found = as(e, target, to); return !found }) })
	return found
}

// as reports whether err itself can be assigned to what target points to, and does so.
func as(err error, target any, to reflect.Value) bool {
	if v := reflect.ValueOf(err); v.Type().AssignableTo(to.Type()) {
		to.Set(v)
		return true
	}
	a, ok := err.(interface{ As(target any) bool })
	return ok && a.As(target)
}
