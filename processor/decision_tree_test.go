package processor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// steps build error trees on a stack, one byte a step. Each takes what it needs from
// the top and pushes its result.
var steps = [...]func(pop func() error) error{
	func(func() error) error { return errPlain },
	func(func() error) error { return processor.ErrStop },
	func(pop func() error) error { return processor.Reject(pop()) },
	func(pop func() error) error { return processor.Requeue(pop()) },
	func(pop func() error) error { return processor.Release(pop()) },
	func(pop func() error) error { return processor.Drop(pop()) },
	func(pop func() error) error { return processor.RetryAfter(pop(), time.Minute) },
	func(pop func() error) error { return processor.Stop(pop()) },
	func(pop func() error) error { return fmt.Errorf("wrapped: %w", pop()) },
	func(pop func() error) error { return errors.Join(pop(), pop()) },
	func(pop func() error) error { return fmt.Errorf("%w and %w", pop(), pop()) },
}

// tree runs a program of steps and returns the error on top; nil if there is none.
func tree(program []byte) error {
	var stack []error
	pop := func() error {
		if len(stack) == 0 {
			return nil
		}
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		return top
	}
	for _, step := range program {
		stack = append(stack, steps[int(step)%len(steps)](pop))
	}
	return pop()
}

// checkTree checks what must be true of Decide for every error.
func checkTree(t *testing.T, err error) {
	t.Helper()
	got := processor.Decide(err)
	if err == nil {
		require.Zero(t, got)
		return
	}
	if got.Action == processor.Done {
		require.ErrorIs(t, err, processor.ErrStop, "only ErrStop is an error and done")
		require.NotErrorIs(t, err, errPlain, "a failure is never done")
		require.True(t, got.Stop)
	}
	if errors.Is(err, processor.ErrStop) {
		require.True(t, got.Stop, "stop counts wherever it is")
	}
	require.GreaterOrEqual(t, got.After, time.Duration(0))

	require.Equal(t, got, processor.Decide(fmt.Errorf("wrapped: %w", err)), "wrapping changes nothing")
	requeued := processor.Decision{Action: processor.Requeued, Stop: got.Stop}
	requeue := processor.Requeue(errPlain)
	if got.Action != processor.Requeued {
		require.Equal(t, requeued, processor.Decide(errors.Join(err, requeue)), "requeue is never weakened")
		require.Equal(t, requeued, processor.Decide(errors.Join(requeue, err)), "requeue is never weakened")
		require.Equal(t, requeued, processor.Decide(fmt.Errorf("%w; %w", err, errors.Join(errPlain, requeue))))
	}
	require.Equal(t, processor.Decision{Action: processor.Rejected, Stop: got.Stop},
		processor.Decide(processor.Reject(err)), "the outermost decision counts")
	require.True(t, processor.Decide(processor.Stop(err)).Stop)
}

// Every tree of up to four steps, about ten thousand.
func TestDecideOfEverySmallTree(t *testing.T) {
	t.Parallel()
	programs := [][]byte{{}}
	for range 4 {
		longer := make([][]byte, 0, len(programs)*len(steps))
		for _, program := range programs {
			for step := range byte(len(steps)) {
				longer = append(longer, slices.Concat(program, []byte{step}))
			}
		}
		programs = longer
		for _, program := range programs {
			checkTree(t, tree(program))
		}
	}
}

func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 2, 3, 8, 1, 8})
	f.Add([]byte{0, 4, 7, 0, 5, 9, 6, 8})
	f.Fuzz(func(t *testing.T, program []byte) { checkTree(t, tree(program)) })
}
