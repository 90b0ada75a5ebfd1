package life_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func begin(t *testing.T) *life.Life {
	t.Helper()
	return life.New(t.Context(), slog.New(slog.DiscardHandler))
}

func TestCloseWaitsForWhatRunsAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := begin(t)
		var over atomic.Bool
		require.True(t, l.Go(func() { <-l.Context().Done(); time.Sleep(time.Second); over.Store(true) }))
		l.End()
		require.True(t, l.Go(func() {}), "what closes a channel runs after the end")
		done := l.Close()
		require.False(t, l.Go(func() { t.Error("it ran") }))
		require.ErrorIs(t, life.Do(t.Context(), l, func() error { return nil }), processor.ErrClosed)
		<-done
		require.True(t, over.Load())
	})
}

func TestACallIsLeftWhenItsContextEndsAndItsValueIsGivenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, discarded := begin(t), make(chan int, 1)
		tired := errors.New("tired of it")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, tired)
		defer cancel()
		_, err := life.Call(ctx, l, func() (int, error) { time.Sleep(time.Minute); return 7, nil }, func(n int) { discarded <- n })
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, tired)
		require.Empty(t, discarded)
		require.Equal(t, 7, <-discarded)
		n, err := life.Call(t.Context(), l, func() (int, error) { return 8, nil }, func(int) { t.Error("it was in time") })
		require.NoError(t, err)
		require.Equal(t, 8, n)
		<-l.Close()
		l.End()
	})
}

func TestATaskIsDoneOnceAndAlsoAfterClose(t *testing.T) {
	t.Parallel()
	l, task := begin(t), life.NewTask()
	l.End()
	<-l.Close()
	var times int
	for range 3 {
		require.NoError(t, task.Do(t.Context(), l, func() { times++ }))
	}
	require.Equal(t, 1, times)
}

func TestTheErrorSaysThatTheBrokerIsClosed(t *testing.T) {
	t.Parallel()
	l, failed := begin(t), errors.New("failed")
	require.Equal(t, failed, l.OverOr(failed))
	l.End()
	require.NoError(t, l.OverOr(nil))
	require.ErrorIs(t, l.OverOr(failed), processor.ErrClosed)
	require.ErrorIs(t, l.OverOr(failed), failed)
	require.Equal(t, life.ErrClosed, l.OverOr(life.ErrClosed))
	require.Equal(t, life.ErrClosed, life.ClosedOr(failover.ErrClosed))
	require.ErrorIs(t, life.ClosedOr(failover.ErrGaveUp), failover.ErrGaveUp, "it says why")
	require.ErrorIs(t, life.ClosedOr(failover.ErrGaveUp), processor.ErrClosed)
	require.Equal(t, failed, life.ClosedOr(failed))
}
