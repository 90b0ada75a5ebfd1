package publish

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
)

var (
	hung  = processor.Destination{RoutingKey: "hung"}
	other = processor.Destination{RoutingKey: "other"}
)

func TestOneDestinationCannotTakeAllPlaces(t *testing.T) {
	t.Parallel()
	p := newPlaces()
	never := make(chan struct{})
	for range maxForOne {
		require.NoError(t, p.take(t.Context(), hung, never, never))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.take(ctx, hung, never, never), context.Canceled)
	require.NoError(t, p.take(t.Context(), other, never, never))
	p.giveUp(hung)
	require.NoError(t, p.take(t.Context(), hung, never, never))
	over := make(chan struct{})
	close(over)
	require.ErrorIs(t, p.take(t.Context(), hung, over, never), errNotSent)
	require.ErrorIs(t, p.take(t.Context(), hung, never, over), errNotSent)
}

func TestDestinationsThatNobodyPublishesToAreForgotten(t *testing.T) {
	t.Parallel()
	p := newPlaces()
	for i := range 10 * idleLanes {
		to := processor.Destination{RoutingKey: string(rune('a' + i))}
		require.NoError(t, p.take(t.Context(), to, nil, nil))
		p.giveUp(to)
	}
	require.LessOrEqual(t, len(p.lanes), idleLanes)
	require.Empty(t, p.all)
}

func TestASilentDestinationGetsOneMessageAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silences
		l, err := s.wait(t.Context(), hung)
		require.NoError(t, err)
		require.Nil(t, l, "it is not silent")
		require.True(t, s.add(hung, time.Now()))
		require.False(t, s.add(hung, time.Now()), "it is already")
		require.Equal(t, []processor.Destination{hung}, s.list())
		l, err = s.wait(t.Context(), hung)
		require.NoError(t, err)
		require.NotNil(t, l, "its answer ends the silence")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.wait(ctx, hung)
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		waiting := make(chan *silence)
		go func() {
			l, _ := s.wait(t.Context(), hung)
			waiting <- l
		}()
		synctest.Wait()
		s.asked(l, nil) // it was not sent after all
		require.Same(t, l, <-waiting, "the next one is")
		s.end(hung)
		require.Empty(t, s.list())
		l, err = s.wait(t.Context(), hung)
		require.NoError(t, err)
		require.Nil(t, l)
	})
}
