package failover_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

// alone makes some nodes ignore requests that need the majority, and counts the requests.
func alone(asked *atomic.Int64, nodes ...string) func(*amqpfake.Conn, amqpfake.Method) bool {
	return func(c *amqpfake.Conn, m amqpfake.Method) bool {
		if m != amqpfake.ExchangeUnbind {
			return false
		}
		asked.Add(1)
		for _, n := range nodes {
			if c.Address == n+":5672" {
				return true
			}
		}
		return false
	}
}

func TestANodeThatIsCutOffIsLeftForOneThatIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := &amqpfake.Network{Answer: alone(&asked)}
		c := dialFake(t, f, "amqp://a;b;c", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err())
		require.LessOrEqual(t, asked.Load(), int64(3600/7))

		f.Set(func() { f.Answer = alone(&asked, "a", "b") })
		start := time.Now()
		requireDone(t, s)
		require.LessOrEqual(t, time.Since(start), 30*time.Second, "20 s, and 10 s for the one that is no better")
		require.ErrorIs(t, s.Err(), failover.ErrCutOff)
		require.ErrorIs(t, s.Err(), failover.ErrLost)
		require.Equal(t, "c:5672", session(t, c).Node())
		require.Equal(t, []string{"a:5672", "b:5672", "c:5672"}, f.Addresses(), "the one that was better is the one that is gone on with")
		require.NoError(t, c.Ready())
		require.Len(t, c.State().Unreachable, 2)
		for _, err := range c.State().Unreachable {
			require.ErrorIs(t, err, failover.ErrCutOff)
		}

		f.Latest().Close()
		time.Sleep(time.Second)
		require.Equal(t, "c:5672", session(t, c).Node(), "those that were cut off are tried last")
		f.Set(func() { f.Down = map[string]bool{"c:5672": true} })
		f.Latest().Close()
		time.Sleep(time.Second)
		require.Equal(t, "a:5672", session(t, c).Node())
		f.Set(func() { f.Down = nil })
		time.Sleep(40 * time.Second)
		require.Equal(t, "c:5672", session(t, c).Node(), "it is left again")
	})
}

// A whole cluster without a majority is not a reason to leave: no node would be better, and
// classic queues work.
func TestANodeIsNotLeftWhileNoOtherIsBetter(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"alone": "amqp://a", "with others": "amqp://a;b;c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				f := &amqpfake.Network{Answer: alone(&asked, "a", "b"), Down: map[string]bool{"c:5672": true}}
				f.Answer = unanswered541(f.Answer)
				c := dialFake(t, f, url, failover.LeaveCutOff(20*time.Second))
				s := session(t, c)
				time.Sleep(21 * time.Second)
				require.NoError(t, s.Err())
				require.ErrorIs(t, c.Ready(), failover.ErrCutOff)
				require.Equal(t, failover.CutOff, c.State().Phase)
				require.Equal(t, "cut off", c.State().Phase.String())
				time.Sleep(time.Hour)
				require.Less(t, asked.Load(), int64(60), "each time half as often")
				require.Less(t, len(f.Addresses()), 100)

				f.Set(func() { f.Answer = nil })
				time.Sleep(10 * time.Minute)
				require.NoError(t, c.Ready())
			})
		})
	}
}

// unanswered541 ends the connection 30 s after a request without an answer, as RabbitMQ does.
func unanswered541(answer func(*amqpfake.Conn, amqpfake.Method) bool) func(*amqpfake.Conn, amqpfake.Method) bool {
	return func(c *amqpfake.Conn, m amqpfake.Method) bool {
		silent := answer(c, m)
		if silent {
			time.AfterFunc(30*time.Second, func() { c.HangUp(541, "INTERNAL_ERROR") })
		}
		return silent
	}
}

func TestANodeThatIsCutOffForAMomentStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Bool
		late.Store(true)
		f := &amqpfake.Network{}
		f.Answer = func(c *amqpfake.Conn, m amqpfake.Method) bool {
			if m != amqpfake.ExchangeUnbind || !late.CompareAndSwap(true, false) {
				return false
			}
			time.AfterFunc(15*time.Second, func() { c.Send(c.LastChannel(), amqpfake.ExchangeUnbindOk) })
			return true
		}
		c := dialFake(t, f, "amqp://a", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(21 * time.Second)
		require.ErrorIs(t, c.Ready(), failover.ErrCutOff)
		time.Sleep(10 * time.Second)
		require.NoError(t, c.Ready())
		require.NoError(t, s.Err())
	})
}

func TestAUserWhoMayNotAskIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := &amqpfake.Network{}
		f.Answer = func(c *amqpfake.Conn, m amqpfake.Method) bool {
			if m == amqpfake.ExchangeUnbind {
				asked.Add(1)
				c.CloseChannel(403, "ACCESS_REFUSED - write access to exchange 'amq.fanout' in vhost '/' refused for user 'u'")
			}
			return m == amqpfake.ExchangeUnbind
		}
		c := dialFake(t, f, "amqp://a;b", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err())
		require.NoError(t, c.Ready())
		require.Equal(t, int64(1), asked.Load())
	})
}

func TestABrokerThatBlocksIsNotCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := &amqpfake.Network{Answer: alone(&asked, "a")}
		f.Answer = func(c *amqpfake.Conn, m amqpfake.Method) bool {
			if m == amqpfake.ExchangeUnbind {
				c.Send(0, amqpfake.ConnectionBlocked, amqpfake.Short("low on memory"))
				return true
			}
			return false
		}
		c := dialFake(t, f, "amqp://a;b", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err())
		require.ErrorIs(t, c.Ready(), failover.ErrBlocked)
		require.Len(t, f.Addresses(), 1)
	})
}

func TestClosingWhileABetterNodeIsLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := &amqpfake.Network{Answer: alone(&asked, "a", "b", "c")}
		c := dialFake(t, f, "amqp://a;b;c", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(22 * time.Second)
		require.Greater(t, len(f.Addresses()), 1, "it is looking")
		start := time.Now()
		require.NoError(t, c.Close(t.Context()))
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		require.ErrorIs(t, s.Err(), failover.ErrClosed)
	})
}
