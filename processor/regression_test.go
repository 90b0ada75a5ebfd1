package processor_test

import (
	"context"
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

// valueLayer cannot be compared with ==.
type valueLayer struct{ f any }

func (valueLayer) Process(context.Context, processor.Message) error { return nil }

func TestLayersThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	m := func(processor.Processor) processor.Processor { return valueLayer{f: func() {}} }
	_, err := processor.NewStack(m, m).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	bad := processor.Invalid(joined{})
	_, err = processor.NewStack(bad, bad).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.Error(t, err)
}

func TestTheOrderIsCheckedInsideAPipelineOfTheStack(t *testing.T) {
	t.Parallel()
	layer := func(r processor.Role) processor.Middleware {
		return func(next processor.Processor) processor.Processor { return &roleLayer{Processor: next, role: r} }
	}
	handler := func(context.Context, processor.Message) error { return nil }
	inner, err := processor.NewStack(layer(processor.Settles)).ThenFunc(handler)
	require.NoError(t, err)
	_, err = processor.NewStack(layer(processor.Retries)).Then(inner)
	require.ErrorIs(t, err, processor.ErrOrder)
}

type roleLayer struct {
	processor.Processor
	role processor.Role
}

func (r *roleLayer) Name() string         { return string(r.role) }
func (r *roleLayer) Role() processor.Role { return r.role }

func TestNilsAreRefusedWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	handle := func(context.Context, string, processor.Message) error { return nil }
	decode := func([]byte, any) error { return nil }
	for name, handler := range map[string]processor.Processor{
		"nil":                 nil,
		"nil function":        processor.ProcessorFunc(nil),
		"typed, no decoder":   processor.Typed(nil, handle),
		"typed, no function":  processor.Typed[string](decode, nil),
		"invalid without why": processor.Invalid(nil)(nil),
	} {
		_, err := processor.NewStack().Then(handler)
		require.Error(t, err, name)
	}
}

// afterEnd fails to start, as a layer does whose context is over.
type afterEnd struct{ processor.Processor }

func (afterEnd) Start(ctx context.Context) error { return ctx.Err() }

// undone records the context that it is stopped with.
type undone struct {
	processor.Processor
	err error
}

func (u *undone) Stop(ctx context.Context) error { u.err = ctx.Err(); return nil }

func TestLayersAreStoppedWithALivingContextAfterAStartThatWasCancelled(t *testing.T) {
	t.Parallel()
	u := &undone{err: errors.New("never stopped")}
	p, err := processor.NewStack(
		func(next processor.Processor) processor.Processor { u.Processor = next; return u },
		func(next processor.Processor) processor.Processor { return &afterEnd{next} },
	).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Start(ctx), context.Canceled)
	require.NoError(t, u.err)
}
