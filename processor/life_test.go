package processor_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

func TestLost(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause error
		want  bool
	}{
		"its channel is gone":              {processor.ErrStale, true},
		"its channel is gone, and why":     {fmt.Errorf("%w: %w", processor.ErrStale, errors.New("closed")), true},
		"the run is over":                  {processor.ErrShutdown, false},
		"somebody has cancelled":           {nil, false},
		"somebody has cancelled, and says": {errors.New("enough"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			child, end := context.WithCancel(ctx)
			defer end()
			require.False(t, processor.Lost(ctx))
			cancel(tc.cause)
			require.Equal(t, tc.want, processor.Lost(ctx))
			require.Equal(t, tc.want, processor.Lost(child), "a handler's own context below it")
			require.False(t, tc.want && processor.ShuttingDown(ctx))
		})
	}
}

// delivered is the context of a message, as a broker makes it, with what ends it.
func delivered(t *testing.T) (ctx context.Context, drain, lose context.CancelCauseFunc) {
	t.Helper()
	channel, lose := context.WithCancelCause(t.Context())
	message, drain := context.WithCancelCause(t.Context())
	return processor.WithChannel(message, channel), drain, lose
}

func TestOnlyTheMessagesOwnContextCutsItShort(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{nil, errPlain, processor.ErrShutdown, processor.ErrStale} {
		ctx, drain, lose := delivered(t)
		theirs, cancel := context.WithCancelCause(ctx)
		cancel(cause)
		require.False(t, processor.CutShort(theirs), "%v", cause)
		require.False(t, processor.ShuttingDown(theirs), "%v", cause)
		require.False(t, processor.Lost(theirs), "%v", cause)
		drain(processor.ErrShutdown)
		require.True(t, processor.CutShort(theirs))
		require.True(t, processor.ShuttingDown(theirs), "whatever ended theirs before")
		require.False(t, processor.Lost(theirs))
		lose(processor.ErrStale)
		require.True(t, processor.Lost(theirs))
	}
	ctx, drain, lose := delivered(t)
	defer drain(nil)
	lose(nil)
	require.True(t, processor.CutShort(ctx))
}

func TestAMessageWithoutAChannelIsCutShortByTheEndOfItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	same, done := processor.InFlight(ctx)
	done()
	require.Equal(t, ctx, same)
	require.False(t, processor.CutShort(ctx))
	cancel()
	require.True(t, processor.CutShort(ctx))
}

func TestInFlightEndsWithTheMessageAlone(t *testing.T) {
	t.Parallel()
	type tenant struct{}
	synctest.Test(t, func(t *testing.T) {
		ctx, drain, lose := delivered(t)
		defer lose(nil)
		same, done := processor.InFlight(ctx)
		done()
		require.Equal(t, ctx, same, "there is no other")
		require.NoError(t, same.Err())

		detached, done := processor.InFlight(context.WithoutCancel(ctx))
		done()
		require.Equal(t, context.WithoutCancel(ctx), detached, "who detaches from the message goes on after it")

		theirs, cancel := context.WithTimeout(context.WithValue(ctx, tenant{}, "a"), 0)
		defer cancel()
		longer, done := processor.InFlight(theirs)
		defer done()
		short, end := processor.InFlight(theirs)
		end()
		require.ErrorIs(t, short.Err(), context.Canceled)
		require.NoError(t, longer.Err())
		_, limited := longer.Deadline()
		require.False(t, limited)
		require.Equal(t, "a", longer.Value(tenant{}))
		drain(processor.ErrShutdown)
		synctest.Wait()
		require.ErrorIs(t, context.Cause(longer), processor.ErrShutdown)
		require.True(t, processor.CutShort(longer))
		late, done := processor.InFlight(theirs)
		defer done()
		require.ErrorIs(t, context.Cause(late), processor.ErrShutdown, "at once")
	})
}
