package republish_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

// cursed cannot be printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

func TestGuardMakesAnErrorOfAPanic(t *testing.T) {
	t.Parallel()
	s := sender(nil, 0)
	called := false
	require.NoError(t, s.Guard("If", errMail, func() { called = true }))
	require.True(t, called)
	for name, value := range map[string]any{
		"text": "boom", "nil": nil, "an error": errors.New("boom"), "a decision": processor.Drop(errors.New("boom")),
		"stop": processor.ErrStop, "cursed": &cursed{},
	} {
		failure := processor.Reject(errMail)
		err := s.Guard("If", failure, func() { panic(value) })
		require.ErrorIs(t, err, errMail, name)
		require.Equal(t, processor.Decide(failure), processor.Decide(err), "%s: only the handler's decision counts", name)
		require.Contains(t, err.Error(), "retry: the function given to If panicked: ", name)
		require.Contains(t, err.Error(), "; the message had failed with: mail server says no", name)
	}
}

func TestGuardLetsAGoexitPass(t *testing.T) {
	t.Parallel()
	done := make(chan error)
	go func() {
		defer close(done)
		done <- sender(nil, 0).Guard("If", errMail, runtime.Goexit)
	}()
	_, returned := <-done
	require.False(t, returned, "the goroutine ends, and its owner knows")
}
