package callback_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/callback"
	"github.com/gowarren/warren/processor"
)

var errMail = errors.New("mail server says no")

// cursed cannot be printed.
type cursed struct{}

func (c *cursed) Error() string { panic(c) }

// Unwrap makes errors.Is panic.
func (c *cursed) Unwrap() error { panic(c) }

// panics are values that a function may panic with.
func panics() map[string]any {
	return map[string]any{
		"text": "boom", "nil": nil, "an error": errors.New("boom"), "a decision": processor.Drop(errors.New("boom")),
		"stop": processor.ErrStop, "cursed": &cursed{}, "long": strings.Repeat("boom ", 1000),
	}
}

func TestCallMakesAnErrorOfAPanic(t *testing.T) {
	t.Parallel()
	called := false
	require.NoError(t, callback.Call("dedup: Key", func() { called = true }))
	require.True(t, called)
	for name, value := range panics() {
		err := callback.Call("dedup: Key", func() { panic(value) })
		require.ErrorContains(t, err, "dedup: Key panicked: ", name)
		require.Less(t, len(err.Error()), 300, name)
		require.Equal(t, processor.Decision{Action: processor.Failed}, processor.Decide(err), "%s: no decision in the value counts", name)
		var p *callback.PanicError
		require.ErrorAs(t, err, &p, name)
		require.Contains(t, p.Stack, "callback_test", name)
	}
}

func TestAfterKeepsTheFailure(t *testing.T) {
	t.Parallel()
	require.NoError(t, callback.After("retry: If", errMail, func() {}))
	for name, value := range panics() {
		failure := processor.Reject(errMail)
		err := callback.After("retry: If", failure, func() { panic(value) })
		require.ErrorIs(t, err, errMail, name)
		require.Equal(t, processor.Decide(failure), processor.Decide(err), "%s: only the handler's decision counts", name)
		require.Contains(t, err.Error(), "retry: If panicked: ", name)
		require.Contains(t, err.Error(), "; the message had failed with: mail server says no", name)
	}
}

func TestCallLetsAGoexitPass(t *testing.T) {
	t.Parallel()
	done := make(chan error)
	go func() {
		defer close(done)
		done <- callback.Call("retry: If", runtime.Goexit)
	}()
	_, returned := <-done
	require.False(t, returned, "the goroutine ends, and its owner knows")
}

func TestApartKeepsTheGoroutine(t *testing.T) {
	t.Parallel()
	called := false
	require.NoError(t, callback.Apart("insomniac: Confirm", func() { called = true }))
	require.True(t, called)
	require.EqualError(t, callback.Apart("insomniac: Confirm", runtime.Goexit), "insomniac: Confirm called runtime.Goexit")
	require.EqualError(t, callback.Apart("insomniac: Confirm", func() { panic("boom") }), "insomniac: Confirm panicked: boom")
}

func TestIsSurvivesAnErrorThatPanics(t *testing.T) {
	t.Parallel()
	require.True(t, callback.Is(processor.Reject(errMail), errMail))
	require.False(t, callback.Is(errMail, processor.ErrStop))
	require.False(t, callback.Is(&cursed{}, errMail))
}

func TestNothingIsAllocatedForAFunctionThatReturns(t *testing.T) {
	n := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = callback.Call("retry: If", func() { n++ })
		_ = callback.After("retry: If", errMail, func() { n++ })
	}))
	require.Positive(t, n)
}
