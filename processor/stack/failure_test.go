package stack_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/recovery"
)

// The layers see the failure as the handler's.
func TestAFailureTakesThePlaceOfTheHandler(t *testing.T) {
	t.Parallel()
	called := 0
	p, err := stack.New(recovery.New()).ThenFunc(func(context.Context, processor.Message) error { called++; return nil })
	require.NoError(t, err)
	unknown := errors.New("nobody by that name")
	ctx := stack.WithFailure(t.Context(), unknown)
	require.ErrorIs(t, p.Process(ctx, processortest.NewMessage()), unknown)
	require.Zero(t, called)
	require.NoError(t, p.Process(stack.WithFailure(t.Context(), nil), processortest.NewMessage()))
	require.Equal(t, 1, called)

	inner, err := stack.New(recovery.New()).Then(p)
	require.NoError(t, err)
	require.ErrorIs(t, inner.Process(ctx, processortest.NewMessage()), unknown, "also where pipelines are nested")
	require.Equal(t, 1, called)
}

// A pipeline in a pipeline: what never reaches the handler passes the layers of both.
func TestAFailurePassesTheLayersOfNestedPipelines(t *testing.T) {
	t.Parallel()
	failed := errors.New("nobody by that name")
	var seen []string
	note := func(name string) processor.Middleware {
		return func(next processor.Processor) processor.Processor {
			return processor.ProcessorFunc(func(ctx context.Context, msg processor.Message) error {
				err := next.Process(ctx, msg)
				seen = append(seen, name+": "+err.Error())
				return err
			})
		}
	}
	inner, err := stack.New(note("inner")).ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	outer, err := stack.New(note("outer")).Then(inner)
	require.NoError(t, err)
	require.ErrorIs(t, outer.Process(stack.WithFailure(t.Context(), failed), processortest.NewMessage()), failed)
	require.Equal(t, []string{"inner: nobody by that name", "outer: nobody by that name"}, seen)

	seen = nil
	unreadable := processortest.NewMessage(processortest.Header(processor.HeaderUnreadable, "x"))
	require.ErrorIs(t, outer.Process(t.Context(), unreadable), processor.ErrUnreadable)
	require.Len(t, seen, 2)
}

// It costs no allocation.
func TestNoFailureCostsNothing(t *testing.T) {
	p, err := stack.New().ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	msg, ctx := processortest.NewMessage(), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = p.Process(ctx, msg) }))
}
