// Package patience calls functions of others that should return when their context ends, and does not
// wait for those that do not.
package patience

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gowarren/warren/internal/callback"
)

// ErrIgnored is the error of a function that was still running some time after its context had ended.
var ErrIgnored = errors.New("it ignored the end of its context, and was abandoned")

// Until calls f, and waits for it until patience after end is done. A function that returns later than
// that ends with late, which gets its error. A panic of f is an error, and so is runtime.Goexit.
func Until(end context.Context, patience time.Duration, f func() error, late func(err error)) error {
	result := make(chan error) // taken, or given up
	givenUp := make(chan struct{})
	go func() {
		err := errors.New("it called runtime.Goexit")
		defer func() {
			select {
			case result <- err:
			case <-givenUp:
				late(err)
			}
		}()
		if problem := callback.Call("it", func() { err = f() }); problem != nil {
			err = problem
		}
	}()
	select {
	case err := <-result:
		return err
	case <-end.Done():
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case err := <-result:
		return err
	case <-t.C:
		close(givenUp)
		return ErrIgnored
	}
}

// toReturn is the part of the time of Within in which f sees that its context has ended.
const toReturn = 100 * time.Millisecond

// Within calls f with a context that outlives ctx, and returns after timeout at the latest.
func Within(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout-toReturn)
	defer cancel()
	err := Until(ctx, toReturn, func() error { return f(ctx) }, func(error) {})
	if callback.Is(err, ErrIgnored) {
		return fmt.Errorf("%w: %w", ErrIgnored, context.DeadlineExceeded)
	}
	return err
}
