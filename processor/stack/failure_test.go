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

// It costs no allocation.
func TestNoFailureCostsNothing(t *testing.T) {
	p, err := stack.New().ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
	msg, ctx := processortest.NewMessage(), t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = p.Process(ctx, msg) }))
}
