package stack_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
)

// uncomparable is an error that cannot be compared with ==.
type uncomparable []error

func (uncomparable) Error() string { return "uncomparable" }

// valueLayer cannot be compared with ==.
type valueLayer struct{ f any }

func (valueLayer) Process(context.Context, processor.Message) error { return nil }

func TestLayersThatCannotBeCompared(t *testing.T) {
	t.Parallel()
	m := func(processor.Processor) processor.Processor { return valueLayer{f: func() {}} }
	_, err := stack.New(m, m).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	bad := stack.Invalid(uncomparable{})
	_, err = stack.New(bad, bad).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.Error(t, err)
}

func TestTheOrderIsCheckedInsideAPipelineOfTheStack(t *testing.T) {
	t.Parallel()
	layer := func(r stack.Role) processor.Middleware {
		return func(next processor.Processor) processor.Processor { return &roleLayer{Processor: next, role: r} }
	}
	handler := func(context.Context, processor.Message) error { return nil }
	inner, err := stack.New(layer(stack.Settles)).ThenFunc(handler)
	require.NoError(t, err)
	_, err = stack.New(layer(stack.Retries)).Then(inner)
	require.ErrorIs(t, err, stack.ErrOrder)
}

type roleLayer struct {
	processor.Processor
	role stack.Role
}

func (r *roleLayer) Name() string     { return string(r.role) }
func (r *roleLayer) Role() stack.Role { return r.role }

func TestNilsAreRefusedWhenTheStackIsBuilt(t *testing.T) {
	t.Parallel()
	handle := func(context.Context, string, processor.Message) error { return nil }
	decode := func([]byte, any) error { return nil }
	for name, handler := range map[string]processor.Processor{
		"nil":                 nil,
		"nil function":        processor.ProcessorFunc(nil),
		"typed, no decoder":   processor.Typed(nil, handle),
		"typed, no function":  processor.Typed[string](decode, nil),
		"invalid without why": stack.Invalid(nil)(nil),
	} {
		_, err := stack.New().Then(handler)
		require.Error(t, err, name)
	}
}

// afterEnd fails to start, as a layer does whose context is over.
type afterEnd struct{ processor.Processor }

func (afterEnd) Start(ctx context.Context) error { return ctx.Err() }

// undone records the context of its Stop.
type undone struct {
	processor.Processor
	err error
}

func (u *undone) Stop(ctx context.Context) error { u.err = ctx.Err(); return nil }

func TestLayersAreStoppedWithALivingContextAfterAStartThatWasCancelled(t *testing.T) {
	t.Parallel()
	u := &undone{err: errors.New("never stopped")}
	p, err := stack.New(
		func(next processor.Processor) processor.Processor { u.Processor = next; return u },
		func(next processor.Processor) processor.Processor { return &afterEnd{next} },
	).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.Start(ctx), context.Canceled)
	require.NoError(t, u.err)
}
