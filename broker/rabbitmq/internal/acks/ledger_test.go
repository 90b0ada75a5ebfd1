package acks_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq/internal/acks"
	"github.com/gowarren/warren/processor"
)

// given returns a ledger with n deliveries in flight.
func given(t *testing.T, n int, o acks.Options) (*acks.Ledger[int], *channel) {
	t.Helper()
	c := newChannel()
	l := acks.New[int](c, o)
	for tag := uint64(1); tag <= uint64(n); tag++ {
		c.deliver()
		require.True(t, l.Receive(tag, int(tag)))
	}
	t.Cleanup(func() {
		_ = l.Close()
		assert.Empty(t, c.faults)
	})
	return l, c
}

// ack acks tags.
func ack(t *testing.T, l *acks.Ledger[int], c *channel, tags ...uint64) {
	t.Helper()
	for _, tag := range tags {
		c.finish(tag)
		require.NoError(t, l.Ack(tag))
	}
}

func TestAFullBatchIsAckedTogether(t *testing.T) {
	l, c := given(t, 16, acks.Options{Prefetch: 16})
	ack(t, l, c, 1, 3, 2)
	assert.Empty(t, c.sent())
	ack(t, l, c, 4)
	assert.Equal(t, []string{"ack 4 and below"}, c.sent())
}

func TestABatchIsAtMost64(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 200, acks.Options{Prefetch: 1000})
		for tag := uint64(1); tag <= 130; tag++ {
			ack(t, l, c, tag)
		}
		assert.Equal(t, []string{"ack 64 and below", "ack 128 and below"}, c.sent())
	})
}

func TestAPrefetchOfOneAcksAtOnce(t *testing.T) {
	l, c := given(t, 1, acks.Options{Prefetch: 1})
	ack(t, l, c, 1)
	assert.Equal(t, []string{"ack 1"}, c.sent())
}

func TestSinglyAcksAtOnce(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100, Singly: true})
	ack(t, l, c, 2, 1)
	assert.Equal(t, []string{"ack 2", "ack 1"}, c.sent())
}

func TestWhatIsFinishedIsAckedAfterAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 6, acks.Options{Prefetch: 100})
		ack(t, l, c, 1, 2, 4, 5)
		time.Sleep(time.Millisecond)
		assert.Empty(t, c.sent())
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ack 2 and below", "ack 4", "ack 5"}, c.sent(), "above a slow one singly")
		ack(t, l, c, 6)
		time.Sleep(3 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ack 6"}, c.sent(), "the moment begins with the first ack")
	})
}

func TestWorkersInTheMiddleOfAMessageMakeNoSingleAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 8, acks.Options{Prefetch: 100})
		ack(t, l, c, 1, 2, 4, 5)
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ack 2 and below"}, c.sent())
		ack(t, l, c, 3, 7)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ack 5 and below"}, c.sent(), "5 had to wait for 3 alone")
		time.Sleep(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, []string{"ack 7"}, c.sent(), "6 is slow")
	})
}

func TestASlowMessageHoldsUpNobodysAck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 9, acks.Options{Prefetch: 16})
		for tag := uint64(2); tag <= 8; tag++ {
			ack(t, l, c, tag)
		}
		assert.Empty(t, c.sent())
		ack(t, l, c, 9)
		assert.Len(t, c.sent(), 8, "half the prefetch does not wait for the moment to pass")
	})
}

func TestFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 3, acks.Options{Prefetch: 100})
		require.NoError(t, l.Flush())
		ack(t, l, c, 1, 3)
		require.NoError(t, l.Flush())
		assert.Equal(t, []string{"ack 1", "ack 3"}, c.sent())
	})
}

func TestWhereThePrefetchIsUsedUpNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := given(t, 7, acks.Options{Prefetch: 8})
		ack(t, l, c, 2)
		require.NoError(t, l.FlushFull())
		assert.Empty(t, c.sent())
		c.deliver()
		require.True(t, l.Receive(8, 8))
		require.NoError(t, l.FlushFull())
		assert.Equal(t, []string{"ack 2"}, c.sent())
	})
}

func TestNoAckPassesWhatIsRejected(t *testing.T) {
	l, c := given(t, 4, acks.Options{Prefetch: 100})
	ack(t, l, c, 1)
	require.NoError(t, l.Nack(2, true))
	require.NoError(t, l.Release(3))
	ack(t, l, c, 4)
	require.NoError(t, l.Flush())
	assert.Equal(t, []string{"reject 2 true", "nack 3", "ack 4 and below"}, c.sent())
}

func TestTheTagOfAnAckIsOutstanding(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100})
	ack(t, l, c, 1, 2)
	require.NoError(t, l.Nack(3, false))
	require.NoError(t, l.Flush())
	assert.Equal(t, []string{"reject 3 false", "ack 2 and below"}, c.sent())
}

// Another goroutine has taken delivery 1 from the client, and not yet told the ledger.
func TestWhatIsOnItsWayToAReceiverIsNotAcked(t *testing.T) {
	c := newChannel()
	l := acks.New[int](c, acks.Options{Prefetch: 8})
	c.deliver()
	c.deliver()
	require.True(t, l.Receive(2, 2))
	ack(t, l, c, 2)
	require.NoError(t, l.Flush())
	assert.Equal(t, []string{"ack 2"}, c.sent())
	require.True(t, l.Receive(1, 1))
	ack(t, l, c, 1)
	require.NoError(t, l.Close())
	assert.Empty(t, c.faults)
}

func TestSettledTwice(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100})
	ack(t, l, c, 1)
	require.ErrorIs(t, l.Ack(1), processor.ErrSettled)
	require.NoError(t, l.Nack(2, true))
	require.ErrorIs(t, l.Nack(2, true), processor.ErrSettled)
	require.ErrorIs(t, l.Release(7), processor.ErrSettled, "never delivered")
}

func TestCloseSendsWhatIsFinished(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100})
	ack(t, l, c, 1, 2)
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Ack(3), processor.ErrStale)
	require.ErrorIs(t, l.Nack(3, true), processor.ErrStale)
	require.ErrorIs(t, l.Flush(), processor.ErrStale)
	assert.False(t, l.Receive(4, 4))
	assert.Equal(t, []string{"ack 2 and below"}, c.sent())
}

func TestABrokenChannelIsStale(t *testing.T) {
	l, c := given(t, 4, acks.Options{Prefetch: 8})
	broken := errors.New("channel closed")
	c.broken = broken
	ack(t, l, c, 1)
	err := l.Ack(2)
	require.ErrorIs(t, err, processor.ErrStale)
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, l.Nack(3, true), broken)
	require.ErrorIs(t, l.Close(), broken)
	assert.Empty(t, c.sent())
}

func TestAPauseReceivesNothing(t *testing.T) {
	l, c := given(t, 2, acks.Options{Prefetch: 100})
	idle := l.Pause()
	c.deliver()
	assert.False(t, l.Receive(3, 3))
	ack(t, l, c, 1)
	assert.False(t, closed(idle))
	require.NoError(t, l.Release(3), "what was buffered")
	assert.False(t, closed(idle))
	ack(t, l, c, 2)
	assert.True(t, closed(idle))
	assert.True(t, closed(l.Pause()), "again")
	l.Resume()
	c.deliver()
	assert.True(t, l.Receive(4, 4))
	assert.False(t, closed(l.Pause()))
}

func TestResumeEndsTheWait(t *testing.T) {
	l, _ := given(t, 1, acks.Options{Prefetch: 100})
	idle := l.Pause()
	l.Resume()
	assert.True(t, closed(idle))
}

func TestWhatIsReleasedInAnOrderedPauseWaitsForTheOthers(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100, Ordered: true})
	require.NoError(t, l.Release(1))
	idle := l.Pause()
	require.NoError(t, l.Release(3))
	require.NoError(t, l.Release(2))
	assert.True(t, closed(idle))
	assert.Equal(t, []string{"nack 1"}, c.sent())
	require.ErrorIs(t, l.Ack(2), processor.ErrSettled)
}

func TestFull(t *testing.T) {
	l, c := given(t, 2, acks.Options{Prefetch: 3})
	assert.False(t, l.Full())
	c.deliver()
	l.Came(3)
	assert.True(t, l.Full())
	ack(t, l, c, 2)
	require.NoError(t, l.Flush())
	assert.False(t, l.Full())
}

func TestOldest(t *testing.T) {
	l, c := given(t, 3, acks.Options{Prefetch: 100})
	ack(t, l, c, 1)
	oldest, ok := l.Oldest()
	assert.True(t, ok)
	assert.Equal(t, 2, oldest)
	ack(t, l, c, 2, 3)
	_, ok = l.Oldest()
	assert.False(t, ok)
	assert.Equal(t, uint64(3), l.Latest())
}

// A book is bounded by the outstanding deliveries, also beside one that is never settled.
func TestTheSuccessPathAllocatesNothing(t *testing.T) {
	for name, hangs := range map[string]bool{"in order": false, "beside a slow one": true} {
		t.Run(name, func(t *testing.T) {
			l := acks.New[*int](discard{}, acks.Options{Prefetch: 200})
			tag, n := uint64(0), 0
			next := func() {
				tag++
				l.Receive(tag, &n)
			}
			if hangs {
				next()
			}
			assert.Zero(t, testing.AllocsPerRun(10_000, func() {
				next()
				_ = l.Ack(tag)
			}))
			require.NoError(t, l.Close())
		})
	}
}

type discard struct{}

func (discard) Ack(uint64, bool) error        { return nil }
func (discard) Nack(uint64, bool, bool) error { return nil }
func (discard) Reject(uint64, bool) error     { return nil }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
