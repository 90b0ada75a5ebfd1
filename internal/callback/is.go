package callback

// maxErrors is how many errors of one tree are looked at.
const maxErrors = 100_000

// Is is errors.Is for an error of a handler's, whose methods may panic, as those of a typed nil
// pointer do: it matches nothing then. It ends also where an error wraps itself.
func Is(err, target error) (found bool) {
	_ = Call("", func() { found = Matches(err, target) })
	return found
}

// Matches is Is that lets the panic of a method through.
func Matches(err, target error) (found bool) {
	Walk(err, func(e error) bool { found = is(e, target); return !found })
	return found
}

// is reports whether err itself matches target, which is comparable or matches nothing.
func is(err, target error) (matches bool) {
	if Call("", func() { matches = err == target }) == nil && matches { //nolint:errorlint // one step of the walk
		return true
	}
	m, ok := err.(interface{ Is(target error) bool })
	return ok && m.Is(target)
}

// Walk calls f with err and the errors that it wraps, in the order of errors.Is, until f returns
// false, or there have been too many.
func Walk(err error, f func(error) bool) {
	left := maxErrors
	walk(err, f, &left)
}

func walk(err error, f func(error) bool, left *int) (goOn bool) {
	for err != nil {
		if *left--; *left < 0 || !f(err) {
			return false
		}
		switch e := err.(type) { //nolint:errorlint // one step of the walk
		case interface{ Unwrap() error }:
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				if !walk(inner, f, left) {
					return false
				}
			}
			return true
		default:
			return true
		}
	}
	return true
}
