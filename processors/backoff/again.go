package backoff

import (
	"errors"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

// ErrAgain asks for a later delivery; see [Again]. A handler may return it as it is.
var ErrAgain = errors.New("delivered again later")

// Again wraps err, which may be nil, to request redelivery after the next delay of its schedule,
// whatever [For] and [If] say. The result is [ErrAgain]. A decision in err, such as
// [processor.Reject], does not count; a stop does. For a delay of its own use
// [processor.RetryAfter].
//
// Without a backoff layer it fails as any other error.
func Again(err error) error {
	if err == nil {
		err = ErrAgain
	}
	return processor.RetryAfter(&again{err}, 0)
}

// again is a handler's request.
type again struct{ err error }

func (a *again) Error() string        { return a.err.Error() }
func (a *again) Unwrap() error        { return a.err }
func (a *again) Is(target error) bool { return target == ErrAgain }

// asks reports whether a handler asks for another delivery.
func (f failure) asks() bool { return f.after > 0 || callback.Is(f.err, ErrAgain) }
