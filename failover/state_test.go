package failover_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// The states of one connection: the text of each, and the result of Ready.
func TestStates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Down: map[string]bool{"a:5672": true}}
		start := time.Now()
		c := dialFake(t, f, "amqp://a;b", failover.Backoff(10*time.Second, 10*time.Second))

		s := c.State()
		require.Equal(t, failover.Connected, s.Phase)
		require.Equal(t, "b:5672", s.Node)
		require.Equal(t, start, s.Since)
		require.NoError(t, s.Err)
		require.Len(t, s.Unreachable, 1, "that of a")
		require.ErrorContains(t, s.Unreachable[0], "node a:5672")
		require.NoError(t, c.Ready())

		time.Sleep(time.Minute)
		f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
		synctest.Wait()
		s = c.State()
		require.Equal(t, failover.Blocked, s.Phase)
		require.Equal(t, "low on memory", s.Reason)
		require.Equal(t, start, s.Since)
		require.ErrorIs(t, c.Ready(), failover.ErrBlocked)
		require.ErrorContains(t, c.Ready(), "low on memory")

		f.Latest().Send(0, amqpfake.ConnectionUnblocked)
		synctest.Wait()
		require.Equal(t, failover.State{Phase: failover.Connected, Node: "b:5672", Since: start, Unreachable: s.Unreachable}, c.State())
		require.NoError(t, c.Ready())

		f.Set(func() { f.Down["b:5672"] = true })
		f.Latest().Close()
		synctest.Wait()
		s = c.State()
		require.Equal(t, failover.Lost, s.Phase, "it waits before the next round")
		require.Equal(t, "b:5672", s.Node)
		require.Equal(t, start.Add(time.Minute), s.Since)
		require.ErrorIs(t, s.Err, failover.ErrLost)
		require.Len(t, s.Unreachable, 2)
		require.ErrorIs(t, c.Ready(), failover.ErrLost)
		require.ErrorIs(t, c.Ready(), amqpfake.ErrRefused)

		s.Unreachable[0] = nil
		require.Error(t, c.State().Unreachable[0], "the slice is the caller's own")

		closeNow(t, c)
		s = c.State()
		require.Equal(t, failover.Closed, s.Phase)
		require.Equal(t, failover.ErrClosed, s.Err)
		require.Equal(t, start.Add(time.Minute), s.Since)
		require.Equal(t, failover.ErrClosed, c.Ready())
	})
}

func TestConnectingSaysToWhom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a;b;c", failover.ConnectTimeout(5*time.Second))
		f.Set(func() { f.Answer = func(*amqpfake.Conn, amqpfake.Method) bool { return true } }) // every node hangs
		f.Latest().Close()
		for i, node := range []string{"b:5672", "c:5672"} {
			synctest.Wait()
			s := c.State()
			require.Equal(t, failover.Connecting, s.Phase)
			require.Equal(t, node, s.Node)
			require.ErrorIs(t, s.Err, failover.ErrLost)
			require.Len(t, s.Unreachable, i)
			require.ErrorIs(t, c.Ready(), failover.ErrLost)
			time.Sleep(5 * time.Second)
		}
		require.ErrorIs(t, c.State().Unreachable[0], failover.ErrNoAnswer)
		closeNow(t, c)
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a")
		var seen []failover.Phase
		done := make(chan struct{})
		go func() {
			defer close(done)
			for s := range c.Watch(t.Context()) {
				seen = append(seen, s.Phase)
			}
		}()
		for _, step := range []func(){
			func() { f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on disk")) },
			func() { f.Latest().Send(0, amqpfake.ConnectionUnblocked) },
			func() { f.Latest().Close() }, // Lost is over at once
			func() { time.Sleep(time.Second) },
		} {
			synctest.Wait()
			step()
		}
		synctest.Wait()
		closeNow(t, c)
		<-done
		require.Equal(t, []failover.Phase{failover.Connected, failover.Blocked, failover.Connected}, seen[:3])
		require.Equal(t, []failover.Phase{failover.Connected, failover.Closed}, seen[len(seen)-2:])

		for s := range c.Watch(t.Context()) {
			require.Equal(t, failover.Closed, s.Phase, "late, and told all the same")
		}
	})
}

// A watcher that sleeps misses states, and nothing waits for it; the latest one it gets.
func TestASlowWatcherGetsTheLatestState(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a")
		var last failover.State
		seen := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for last = range c.Watch(t.Context()) {
				seen++
				time.Sleep(time.Hour)
			}
		}()
		for range 100 {
			synctest.Wait()
			f.Latest().Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
			synctest.Wait()
			f.Latest().Send(0, amqpfake.ConnectionUnblocked)
		}
		synctest.Wait()
		require.NoError(t, c.Ready())
		closeNow(t, c)
		<-done
		require.Equal(t, failover.Closed, last.Phase)
		require.Equal(t, 2, seen)
	})
}

func TestWatchingEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := 0
		for range c.Watch(ctx) {
			n++
		}
		for range c.Watch(ctx) {
			n++ // never
		}
		for range c.Watch(t.Context()) {
			n++
			break
		}
		require.Equal(t, 2, n)
		closeNow(t, c)
	})
}

// The state tells which node refused the credentials while another one is connected.
func TestStateSaysWhichNodeRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{Refuse: map[string]bool{"a:5672": true}}
		var log lockedBuffer
		c := dialFake(t, f, "amqp://u:"+secret+"@a;u:"+secret+"@b", failover.Logger(slog.New(slog.NewTextHandler(&log, nil))))
		s := c.State()
		require.Equal(t, "b:5672", s.Node)
		require.Len(t, s.Unreachable, 1)
		require.ErrorIs(t, s.Unreachable[0], failover.ErrAuth)
		require.ErrorContains(t, s.Unreachable[0], "node a:5672: credentials or vhost refused")
		require.Contains(t, s.String(), "connected, node b:5672 since ")
		require.Contains(t, s.String(), "; node a:5672: credentials or vhost refused")
		require.Contains(t, log.String(), "node=a:5672")
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", s, s, s)+log.String(), secret)

		f.Set(func() { f.Refuse = nil })
		time.Sleep(time.Hour)
		f.Latest().Close()
		synctest.Wait()
		require.Equal(t, "a:5672", session(t, c).Node())
		require.Empty(t, c.State().Unreachable, "it has been mended")
		closeNow(t, c)
	})
}

func TestPhases(t *testing.T) {
	t.Parallel()
	for phase, want := range map[failover.Phase]string{
		failover.Connecting: "connecting", failover.Connected: "connected", failover.Blocked: "blocked",
		failover.Lost: "lost", failover.Closed: "closed", 9: "phase 9",
	} {
		require.Equal(t, want, phase.String())
	}
	blocked := failover.State{Phase: failover.Blocked, Node: "a:1", Reason: "low on memory"}
	require.Equal(t, "blocked, node a:1 since 0001-01-01T00:00:00Z; low on memory", blocked.String())
}
