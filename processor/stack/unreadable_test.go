package stack_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
)

// A handler that misses a header might take it for one that was not sent.
func TestAHandlerGetsNoMessageThatMissesHeaders(t *testing.T) {
	t.Parallel()
	handled := 0
	p, err := stack.New().ThenFunc(func(context.Context, processor.Message) error { handled++; return nil })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage(processortest.Header("mine", "yes"))))
	require.Equal(t, 1, handled)

	for _, value := range []any{[]byte("rest"), true, nil} {
		err = p.Process(t.Context(), processortest.NewMessage(processortest.Header(processor.HeaderUnreadable, value)))
		require.ErrorIs(t, err, processor.ErrUnreadable)
		require.Equal(t, processor.Rejected, processor.Decide(err).Action)
		require.Equal(t, 1, handled)
	}
}
