package callback_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/callback"
)

// ring wraps itself, alone or beside another error.
type ring struct{ beside error }

func (*ring) Error() string     { return "ring" }
func (r *ring) Unwrap() []error { return []error{r, r, r.beside} }

// knot wraps itself.
type knot struct{}

func (*knot) Error() string   { return "knot" }
func (k *knot) Unwrap() error { return k }

// alike is an io.EOF to everyone who asks.
type alike struct{}

func (alike) Error() string        { return "alike" }
func (alike) Is(target error) bool { return target == io.EOF }

// uncomparable cannot be compared with ==.
type uncomparable []string

func (uncomparable) Error() string { return "uncomparable" }

func TestIsAnswersAsErrorsIsDoes(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		nil, io.EOF, fs.ErrExist, fmt.Errorf("a: %w", io.EOF), errors.Join(fs.ErrExist, fmt.Errorf("b: %w", io.EOF)),
		alike{}, fmt.Errorf("c: %w", alike{}), uncomparable{"a"}, errors.Join(uncomparable{"b"}, io.EOF), errors.Join(),
	} {
		for _, target := range []error{io.EOF, fs.ErrExist, fs.ErrNotExist} {
			require.Equal(t, errors.Is(err, target), callback.Is(err, target), "%v, %v", err, target)
		}
	}
	require.False(t, callback.Is(uncomparable{"a"}, uncomparable{"a"}))
}

// generous is any path error, to everyone who asks.
type generous struct{}

func (generous) Error() string { return "generous" }
func (generous) As(target any) bool {
	p, ok := target.(**fs.PathError)
	if ok {
		*p = &fs.PathError{Op: "as"}
	}
	return ok
}

func TestAsAnswersAsErrorsAsDoes(t *testing.T) {
	t.Parallel()
	var none *fs.PathError
	for _, err := range []error{
		nil, io.EOF, none, &fs.PathError{Op: "open"}, fmt.Errorf("a: %w", &fs.PathError{Op: "read"}),
		errors.Join(io.EOF, fmt.Errorf("b: %w", generous{})), uncomparable{"a"}, errors.Join(),
	} {
		var want, got *fs.PathError
		require.Equal(t, errors.As(err, &want), callback.As(err, &got), "%v", err)
		require.Equal(t, want, got)
		var wanted, given interface{ Timeout() bool }
		require.Equal(t, errors.As(err, &wanted), callback.As(err, &given), "%v", err)
		require.Equal(t, wanted, given)
	}
	for _, err := range []error{&cursed{}, &knot{}, &ring{}} {
		require.False(t, callback.As(err, &none), "%T", err)
	}
	require.True(t, callback.As(errors.Join(&fs.PathError{}, &knot{}), &none))
}

// errors.Is hung, and with it the worker that had called the handler.
func TestAnErrorThatWrapsItselfIsAskedInTheEnd(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&knot{}, fmt.Errorf("a: %w", &knot{}), &ring{}, &ring{io.EOF}} {
		require.False(t, callback.Is(err, fs.ErrExist))
	}
	require.True(t, callback.Is(errors.Join(io.EOF, &knot{}), io.EOF))
}
