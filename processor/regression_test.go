package processor_test

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// joined is an error type of a user's that unwraps to what it is given.
type joined []error

func (joined) Error() string     { return "joined" }
func (j joined) Unwrap() []error { return j }

func TestAnErrorThatUnwrapsToNothingIsAFailure(t *testing.T) {
	t.Parallel()
	for _, err := range []error{joined{}, joined{nil}, joined{nil, nil}} {
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
	}
}

// typedNil is the error of a handler that returns a nil pointer as an error. Its Error
// and its Unwrap panic.
func typedNil() error {
	var err *fs.PathError
	return err
}

// badJoinError is an error of several whose Unwrap panics.
type badJoinError struct{}

func (*badJoinError) Error() string   { return "bad" }
func (*badJoinError) Unwrap() []error { panic("no list") }

func TestAnUnwrapThatPanicsIsAFailure(t *testing.T) {
	t.Parallel()
	for _, err := range []error{typedNil(), fmt.Errorf("handler: %w", typedNil()), errors.Join(typedNil()), &badJoinError{}} {
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err))
		require.Equal(t, processor.Decision{Action: processor.Rejected}, processor.Decide(processor.Reject(err)))
		require.Equal(t, processor.Decision{Action: processor.Failed, Stop: true}, processor.Decide(processor.Stop(err)))
	}
}

func TestTheLongestOfSeveralDelaysCounts(t *testing.T) {
	t.Parallel()
	a, b := processor.RetryAfter(errors.New("a"), 1), processor.RetryAfter(errors.New("b"), 2)
	for _, err := range []error{errors.Join(a, b), errors.Join(b, a)} {
		require.Equal(t, processor.Decision{Action: processor.Failed, After: 2}, processor.Decide(err))
	}
}
