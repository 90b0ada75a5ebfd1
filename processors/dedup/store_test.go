package dedup_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/dedup"
)

var errStore = errors.New("connection refused")

// flaky is a store that fails for some time.
type flaky struct {
	dedup.Store
	seenFails, markFails time.Time
	calls                int
}

func (f *flaky) Seen(ctx context.Context, id string) (bool, error) {
	f.calls++
	if time.Now().Before(f.seenFails) {
		return true, errStore // a value to be ignored
	}
	return f.Store.Seen(ctx, id)
}

func (f *flaky) Mark(ctx context.Context, id string) error {
	f.calls++
	if time.Now().Before(f.markFails) {
		return errStore
	}
	return f.Store.Mark(ctx, id)
}

func in(d time.Duration) time.Time { return time.Now().Add(d) }

func TestAStoreThatFailsForAMomentIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h handler
		f := &flaky{Store: newMemory(), seenFails: in(5 * time.Second), markFails: in(14 * time.Second)}
		var out bytes.Buffer
		p := build(t, h.handle, f, dedup.Logger(slog.New(slog.NewTextHandler(&out, nil))))
		require.NoError(t, p.Process(t.Context(), message("a")))
		require.Less(t, f.calls, 20)
		require.Equal(t, 2, strings.Count(out.String(), `level=WARN msg="store failed, trying again" error="connection refused"`), "once a call")
		require.NoError(t, p.Process(t.Context(), message("a")))
		require.EqualValues(t, 1, h.calls.Load())
	})
}

// It may have been processed, so it is neither skipped nor processed; and it has not
// failed, so a retry uses up no attempt.
func TestAMessageThatCannotBeLookedUpGoesBackUntouched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h handler
		p := build(t, h.handle, &flaky{Store: newMemory(), seenFails: in(time.Hour)}, dedup.StoreTimeout(3*time.Second))
		start := time.Now()
		err := p.Process(t.Context(), message("a"))
		require.Equal(t, 3*time.Second, time.Since(start))
		require.ErrorIs(t, err, errStore)
		require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(err))
		require.Zero(t, h.calls.Load())
	})
}

func TestAShutdownEndsTheWaitForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := build(t, (&handler{}).handle, &flaky{Store: newMemory(), seenFails: in(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, p.Process(ctx, message("a")), errStore)
		require.Equal(t, time.Second, time.Since(start))
	})
}

func TestAMessageThatCannotBeMarkedIsDoneAllTheSame(t *testing.T) {
	t.Parallel()
	for _, result := range []error{nil, processor.ErrStop} {
		synctest.Test(t, func(t *testing.T) {
			h := handler{err: result}
			p, err := stack.New(ack.New(), dedup.New(&flaky{Store: newMemory(), markFails: in(time.Hour)})).ThenFunc(h.handle)
			require.NoError(t, err)
			msg := processortest.NewMessage()
			err = p.Process(t.Context(), msg)
			require.ErrorIs(t, err, errStore)
			require.Equal(t, processor.Decision{Action: processor.Dropped, Stop: result != nil}, processor.Decide(err))
			require.Equal(t, []processortest.Settlement{processortest.Acked}, msg.Settlements())
		})
	}
}

// The mark may be lost, but a waiting copy knows the outcome.
func TestACopyThatWaitedIsSkippedAlsoIfTheFirstCannotBeMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h handler
		p := build(t, h.handle, &flaky{Store: newMemory(), markFails: in(time.Hour)})
		results := start(t.Context(), p, 2)
		require.ErrorIs(t, <-results, errStore)
		require.NoError(t, <-results)
		require.EqualValues(t, 1, h.calls.Load())
	})
}

// A handler that ended just as the run was cut short is done: without the mark the message was
// processed again after the restart.
func TestAMessageIsMarkedAlsoIfItsContextHasEnded(t *testing.T) {
	t.Parallel()
	store := contextStore{newMemory()}
	ctx, cancel := context.WithCancelCause(t.Context())
	var calls int
	p := build(t, func(context.Context, processor.Message) error { calls++; cancel(processor.ErrShutdown); return nil }, store)
	require.NoError(t, p.Process(ctx, message("a")))
	require.NoError(t, p.Process(t.Context(), message("a")))
	require.Equal(t, 1, calls)
}

// contextStore heeds its context.
type contextStore struct{ dedup.Store }

func (c contextStore) Seen(ctx context.Context, id string) (bool, error) {
	seen, err := c.Store.Seen(ctx, id)
	return seen, errors.Join(ctx.Err(), err)
}

func (c contextStore) Mark(ctx context.Context, id string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Store.Mark(ctx, id)
}

// hanging waits for the end of its contexts.
type hanging struct{ seen bool }

func (h hanging) Seen(ctx context.Context, _ string) (bool, error) {
	if !h.seen {
		return false, nil
	}
	<-ctx.Done()
	return false, ctx.Err()
}

func (hanging) Mark(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

func TestAStoreThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	for seen, want := range map[bool]processor.Action{true: processor.Released, false: processor.Dropped} {
		synctest.Test(t, func(t *testing.T) {
			p := build(t, (&handler{}).handle, hanging{seen})
			start := time.Now()
			require.Equal(t, want, processor.Decide(p.Process(t.Context(), message("a"))).Action)
			require.Equal(t, dedup.DefaultStoreTimeout, time.Since(start))
		})
	}
}

func seen(t *testing.T, s dedup.Store, id string) bool {
	t.Helper()
	ok, err := s.Seen(t.Context(), id)
	require.NoError(t, err)
	return ok
}

func TestMemoryForgetsTheOldestWhenItIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedup.NewMemory(3, time.Hour)
		for i := range 10 {
			time.Sleep(time.Second)
			require.NoError(t, m.Mark(t.Context(), strconv.Itoa(i)))
			for j := range 10 {
				require.Equal(t, j <= i && j > i-3, seen(t, m, strconv.Itoa(j)), "%d after %d", j, i)
			}
		}
	})
}

func TestMemoryForgetsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		require.NoError(t, m.Mark(t.Context(), "a"))
		time.Sleep(time.Hour - 1)
		require.True(t, seen(t, m, "a"))
		time.Sleep(time.Nanosecond)
		require.False(t, seen(t, m, "a"))
	})
}

func TestMemoryKeepsWhatIsMarkedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedup.NewMemory(3, time.Hour)
		for _, id := range []string{"a", "b", "a", "c"} {
			require.NoError(t, m.Mark(t.Context(), id))
			time.Sleep(time.Second)
		}
		require.True(t, seen(t, m, "a"))
		require.NoError(t, m.Mark(t.Context(), "a"))
		require.NoError(t, m.Mark(t.Context(), "a"))
		require.NoError(t, m.Mark(t.Context(), "a"))
		time.Sleep(time.Hour - time.Second)
		require.True(t, seen(t, m, "a"), "from the last time on")
		require.False(t, seen(t, m, "c"))
	})
}

// Each time took the place of another id.
func TestMemoryKeepsAsManyIDsAsItIsLargeHoweverOftenTheyAreMarked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := dedup.NewMemory(3, time.Hour)
		for _, id := range []string{"a", "b", "b", "c", "c", "b", "c"} {
			require.NoError(t, m.Mark(t.Context(), id))
			time.Sleep(time.Second)
		}
		for _, id := range []string{"a", "b", "c"} {
			require.True(t, seen(t, m, id), id)
		}
		require.NoError(t, m.Mark(t.Context(), "a"))
		require.NoError(t, m.Mark(t.Context(), "d"))
		require.False(t, seen(t, m, "b"), "its last time is the oldest")
		for _, id := range []string{"a", "c", "d"} {
			require.True(t, seen(t, m, id), id)
		}
	})
}

// A store that a stack has refused, but is used.
func TestMemoryOfNoSizeFails(t *testing.T) {
	t.Parallel()
	m := dedup.NewMemory(0, time.Hour)
	_, err := m.Seen(t.Context(), "a")
	require.ErrorContains(t, err, "must be positive")
	require.ErrorContains(t, m.Mark(t.Context(), "a"), "must be positive")
}

// decorated is a store around another.
type decorated struct{ dedup.Store }

func (d decorated) Unwrap() dedup.Store { return d.Store }

// A store around another hid that it cannot work.
func TestADecoratorDoesNotHideAStoreThatCannotWork(t *testing.T) {
	t.Parallel()
	for says, inner := range map[string]dedup.Store{
		"must be positive": dedup.NewMemory(0, time.Hour), "is nil": (*dedup.Memory)(nil), "is nil: pass the real one": nil,
	} {
		_, err := stack.New(ack.New(), dedup.New(decorated{decorated{inner}})).
			ThenFunc(func(context.Context, processor.Message) error { return nil })
		require.ErrorContains(t, err, says)
	}
	_, err := stack.New(ack.New(), dedup.New(decorated{dedup.NewMemory(1, time.Hour)})).
		ThenFunc(func(context.Context, processor.Message) error { return nil })
	require.NoError(t, err)
}

// panicking is a store that panics.
type panicking struct{ dedup.Store }

func (panicking) Seen(context.Context, string) (bool, error) { panic("boom") }

// A store is called outside the recovery layer, where the panic ended the process.
func TestAStoreThatPanicsIsOneThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h handler
		p := build(t, h.handle, panicking{newMemory()})
		err := p.Process(t.Context(), message("a"))
		require.ErrorContains(t, err, "the store panicked: boom")
		require.Equal(t, processor.Decision{Action: processor.Released}, processor.Decide(err))
		require.Zero(t, h.calls.Load())
	})
}
