package failover_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

func TestMaxRoundsEndsTheConnectionForGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{"b:5672": true}}
		c := dialFake(t, f, "amqp://a;b", failover.MaxRounds(3), failover.Backoff(time.Second, time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		f.Set(func() { f.Down["a:5672"] = true })
		start := time.Now()
		f.Latest().Close()
		requireDone(t, s)

		_, err := c.Session(t.Context())
		require.ErrorIs(t, err, failover.ErrGaveUp)
		require.ErrorIs(t, err, failover.ErrClosed)
		require.ErrorIs(t, err, amqpfake.ErrRefused)
		require.ErrorContains(t, err, "node a:5672")
		require.ErrorContains(t, err, "node b:5672")
		require.GreaterOrEqual(t, time.Since(start), 2*time.Second/2, "two waits between three rounds")
		require.LessOrEqual(t, time.Since(start), 2*time.Second)
		require.Len(t, f.Addresses(), 1+3*2)

		require.Equal(t, failover.Closed, c.State().Phase)
		require.Equal(t, err, c.Ready())
		require.ErrorIs(t, ensure.Do(t.Context(), c, nothing), failover.ErrGaveUp)
		require.NoError(t, c.Close(t.Context()))
		_, again := c.Session(t.Context())
		require.Equal(t, err, again, "Close does not hide why")
	})
}

func TestASuccessBeginsTheCountAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		c := dialFake(t, f, "amqp://a", failover.MaxRounds(3), failover.Backoff(time.Second, time.Second))
		for range 5 {
			s := session(t, c)
			time.Sleep(time.Hour)
			f.Set(func() { f.Down["a:5672"] = true })
			f.Latest().Close()
			requireDone(t, s)
			time.Sleep(900 * time.Millisecond) // one round, or two
			f.Set(func() { f.Down["a:5672"] = false })
			session(t, c)
		}
		closeNow(t, c)
	})
}

// Nodes that accept and drop connections are dialled as rarely as those that are down:
// the schedule goes on, however many sessions there were.
func TestFlappingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const base, limit = 250 * time.Millisecond, 15 * time.Second
		f := &amqpfake.Network{Opened: func(c *amqpfake.Conn) { time.AfterFunc(time.Second, c.Close) }}
		c := dialFake(t, f, "amqp://a;b", failover.Backoff(base, limit))
		time.Sleep(time.Hour)

		// 9.5 s is a round at its shortest: two sessions of a second, and half of the wait.
		got := len(f.Addresses())
		require.LessOrEqual(t, got, 2*(int(time.Hour/(9500*time.Millisecond))+8))
		require.GreaterOrEqual(t, got, 2*int(time.Hour/(17*time.Second)))
		t.Logf("%d attempts in an hour", got)
		closeNow(t, c)
	})
}

func TestFlappingUsesUpTheRounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Opened: func(c *amqpfake.Conn) { time.AfterFunc(29*time.Second, c.Close) }}
		c := dialFake(t, f, "amqp://a;b", failover.MaxRounds(4))
		for range c.Watch(t.Context()) { //nolint:revive // until it is closed
		}
		require.Len(t, f.Addresses(), 8)
		require.ErrorIs(t, c.Ready(), failover.ErrGaveUp)
		require.ErrorIs(t, c.State().Err, failover.ErrClosed)
		closeNow(t, c)
	})
}

func TestAStableSessionBeginsTheScheduleAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Opened: func(c *amqpfake.Conn) { time.AfterFunc(31*time.Second, c.Close) }}
		c := dialFake(t, f, "amqp://a;b", failover.MaxRounds(1))
		time.Sleep(time.Hour)
		require.InDelta(t, time.Hour/(31*time.Second), len(f.Addresses()), 2, "replaced at once each time")
		closeNow(t, c)
	})
}

// The context of a call that waits for a session says why there is none.
func TestWaitingTellsWhy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		c := dialFake(t, f, "amqp://a")
		f.Set(func() { f.Down["a:5672"] = true })
		f.Latest().Close()
		synctest.Wait()
		_, err := c.Session(limit(t, time.Minute))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "node a:5672: dial tcp: connection refused")
		require.NotErrorIs(t, err, failover.ErrLost, "there is no use in trying again")
		closeNow(t, c)
	})
}

// Credentials may become invalid while a connection lives, and valid again.
func TestOnceConnectedARefusalIsNotTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a;b")
		f.Set(func() { f.Refuse = map[string]bool{"a:5672": true, "b:5672": true} })
		f.Latest().Close()
		time.Sleep(time.Hour)
		require.ErrorIs(t, c.Ready(), failover.ErrAuth)
		f.Set(func() { f.Refuse = nil })
		session(t, c)
		closeNow(t, c)
	})
}

func TestBetweenRoundsTheStateNamesTheNodeThatWasLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{}}
		c := dialFake(t, f, "amqp://a;b")
		f.Set(func() { f.Down["a:5672"], f.Down["b:5672"] = true, true })
		f.Latest().Close()
		synctest.Wait()
		require.Equal(t, failover.Lost, c.State().Phase)
		require.Equal(t, "a:5672", c.State().Node)
		require.Equal(t, []string{"a:5672", "b:5672"}, f.Addresses())
		closeNow(t, c)
	})
}
