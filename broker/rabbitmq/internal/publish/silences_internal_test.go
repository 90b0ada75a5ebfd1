package publish

import (
	"context"
	"errors"
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
		l, err := s.wait(t.Context(), nil, hung)
		require.NoError(t, err)
		require.Nil(t, l, "it is not silent")
		require.True(t, s.add(hung, time.Now()))
		require.False(t, s.add(hung, time.Now()), "it is already")
		require.Equal(t, []processor.Destination{hung}, s.list())
		l, err = s.wait(t.Context(), nil, hung)
		require.NoError(t, err)
		require.NotNil(t, l, "its answer ends the silence")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.wait(ctx, nil, hung)
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		waiting := make(chan *silence)
		go func() {
			l, _ := s.wait(t.Context(), nil, hung)
			waiting <- l
		}()
		synctest.Wait()
		s.asked(l, nil) // it was not sent after all
		require.Same(t, l, <-waiting, "the next one is")
		s.end(hung)
		require.Empty(t, s.list())
		l, err = s.wait(t.Context(), nil, hung)
		require.NoError(t, err)
		require.Nil(t, l)
	})
}

// Others that wait for their turn would each take two seconds more.
func TestAPublishToASilentDestinationIsOverWhenTheBrokerIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silences
		require.True(t, s.add(hung, time.Now()))
		_, err := s.wait(t.Context(), nil, hung)
		require.NoError(t, err, "one is being sent")

		closed, start := make(chan struct{}), time.Now()
		time.AfterFunc(time.Second, func() { close(closed) })
		_, err = s.wait(t.Context(), closed, hung)
		require.ErrorIs(t, err, processor.ErrClosed)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// The answer may be lost with its channel, and a topic exchange may have any number of keys.
func TestADestinationThatNobodyPublishesToIsNotSilentWithoutEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silences
		for i := range 1000 {
			require.True(t, s.add(processor.Destination{Exchange: "users", RoutingKey: string(rune('a' + i))}, time.Now()))
		}
		time.Sleep(forgottenAfter)
		require.Len(t, s.list(), 1000)
		l, err := s.wait(t.Context(), nil, processor.Destination{Exchange: "users", RoutingKey: "a"})
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Len(t, s.list(), 1, "somebody is about to publish there")
		s.asked(l, nil)
		time.Sleep(forgottenAfter)
		require.Empty(t, s.list())
		require.Zero(t, s.count.Load())
	})
}

func TestEachKeyOfAnExchangeWithManySilentOnesIsAskedFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := func(i int) processor.Destination {
			return processor.Destination{Exchange: "users", RoutingKey: string(rune('a' + i))}
		}
		var s silences
		for i := range manyKeys {
			require.True(t, s.add(key(i), time.Now()))
		}
		l, err := s.wait(t.Context(), nil, other)
		require.NoError(t, err)
		require.Nil(t, l, "another exchange")
		for i := range maxSuspects {
			l, err = s.wait(t.Context(), nil, key(100+i))
			require.NoError(t, err)
			require.NotNil(t, l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = s.wait(ctx, nil, key(1000))
		require.ErrorIs(t, err, processor.ErrBlocked, "too many at a time")
		require.Len(t, s.list(), manyKeys, "a suspect is not silent")

		require.True(t, s.add(key(100), time.Now()), "but may turn out to be")
		s.end(key(101))
		l, err = s.wait(t.Context(), nil, key(1000))
		require.NoError(t, err)
		require.NotNil(t, l)
		for i := range manyKeys {
			s.end(key(i))
		}
		l, err = s.wait(t.Context(), nil, key(2000))
		require.NoError(t, err)
		require.Nil(t, l, "few are silent")
	})
}

// A cluster that had lost its majority was taken for so many queues that hang.
func TestADestinationIsSilentOnlyIfAnotherIsAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s silences
		start := time.Now()
		time.Sleep(silentAfter)
		require.True(t, s.add(hung, start))
		require.True(t, s.add(other, start))
		left := errors.New("left")
		require.NotErrorIs(t, s.whose(hung, left), processor.ErrSilent, "all may be")
		s.end(other)
		require.NotErrorIs(t, s.whose(hung, left), processor.ErrSilent, "at the time at which it became silent")
		time.Sleep(time.Nanosecond)
		s.end(other)
		require.ErrorIs(t, s.whose(hung, left), processor.ErrSilent)
		require.ErrorIs(t, s.whose(hung, left), left)
		s.clear()
		require.True(t, s.add(hung, time.Now()))
		require.NotErrorIs(t, s.whose(hung, left), processor.ErrSilent, "on another session")
		time.Sleep(silentAfter + 1)
		s.end(hung)
		require.True(t, s.add(hung, time.Now().Add(-2*silentAfter)))
		require.NotErrorIs(t, s.whose(hung, left), processor.ErrSilent, "its own answer")
	})
}

func TestAnotherSessionMayBeAnswered(t *testing.T) {
	t.Parallel()
	var s silences
	require.True(t, s.add(hung, time.Now()))
	s.clear()
	require.Empty(t, s.list())
	require.True(t, s.add(hung, time.Now()))
}

// Queues that hang and come back one after the other stop one channel more than once.
func TestAChannelIsGivenUpOnce(t *testing.T) {
	t.Parallel()
	c := newChannel()
	require.True(t, c.ping())
	require.False(t, c.ping(), "one is under way")
	c.pinged = false
	require.True(t, c.giveUp())
	require.False(t, c.giveUp())
	require.False(t, c.ping())
	closing := newChannel()
	closing.parting = true
	require.False(t, closing.ping(), "nothing may follow a close")
}

// What was overdue while the broker blocked was not looked at again: its destination was never silent.
func TestWhileTheBrokerBlocksNothingIsOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newChannel()
		c.waiting[1] = &publish{to: hung, tag: 1, sent: time.Now()}
		time.Sleep(time.Minute)
		fresh, all := c.overdue(true)
		require.Empty(t, fresh)
		require.Zero(t, all)
		time.Sleep(silentAfter - time.Millisecond)
		fresh, _ = c.overdue(false)
		require.Empty(t, fresh, "it has a second to answer")
		time.Sleep(time.Millisecond)
		fresh, all = c.overdue(false)
		require.Contains(t, fresh, hung)
		require.Equal(t, 1, all)
		fresh, all = c.overdue(false)
		require.Empty(t, fresh, "it is known")
		require.Equal(t, 1, all)
	})
}
