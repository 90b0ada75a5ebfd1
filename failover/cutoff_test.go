package failover_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
)

// alone has some nodes answer nothing that needs the majority, and counts the questions.
func alone(asked *atomic.Int64, nodes ...string) func(*fakeConn, method) bool {
	return func(c *fakeConn, m method) bool {
		if m != exchangeUnbind {
			return false
		}
		asked.Add(1)
		for _, n := range nodes {
			if c.address == n+":5672" {
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
		f := &fake{answer: alone(&asked)}
		c := dialFake(t, f, "amqp://a;b;c", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err())
		require.LessOrEqual(t, asked.Load(), int64(3600/7))

		f.set(func() { f.answer = alone(&asked, "a", "b") })
		start := time.Now()
		requireDone(t, s)
		require.LessOrEqual(t, time.Since(start), 30*time.Second, "20 s, and 10 s for the one that is no better")
		require.ErrorIs(t, s.Err(), failover.ErrCutOff)
		require.ErrorIs(t, s.Err(), failover.ErrLost)
		require.Equal(t, "c:5672", session(t, c).Node())
		require.Equal(t, []string{"a:5672", "b:5672", "c:5672"}, f.addresses(), "the one that was better is the one that is gone on with")
		require.NoError(t, c.Ready())
		require.Len(t, c.State().Unreachable, 2)
		for _, err := range c.State().Unreachable {
			require.ErrorIs(t, err, failover.ErrCutOff)
		}

		f.latest().close()
		time.Sleep(time.Second)
		require.Equal(t, "c:5672", session(t, c).Node(), "those that were cut off are tried last")
		f.set(func() { f.down = map[string]bool{"c:5672": true} })
		f.latest().close()
		time.Sleep(time.Second)
		require.Equal(t, "a:5672", session(t, c).Node())
		f.set(func() { f.down = nil })
		time.Sleep(40 * time.Second)
		require.Equal(t, "c:5672", session(t, c).Node(), "it is left again")
	})
}

// A whole cluster without a majority is not a reason to leave: nobody would be better off, and
// classic queues work.
func TestANodeIsNotLeftWhileNoOtherIsBetter(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{"alone": "amqp://a", "with others": "amqp://a;b;c"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				f := &fake{answer: alone(&asked, "a", "b"), down: map[string]bool{"c:5672": true}}
				f.answer = unanswered541(f.answer)
				c := dialFake(t, f, url, failover.LeaveCutOff(20*time.Second))
				s := session(t, c)
				time.Sleep(21 * time.Second)
				require.NoError(t, s.Err())
				require.ErrorIs(t, c.Ready(), failover.ErrCutOff)
				require.Equal(t, failover.CutOff, c.State().Phase)
				require.Equal(t, "cut off", c.State().Phase.String())
				time.Sleep(time.Hour)
				require.Less(t, asked.Load(), int64(60), "each time half as often")
				require.Less(t, len(f.addresses()), 100)

				f.set(func() { f.answer = nil })
				time.Sleep(10 * time.Minute)
				require.NoError(t, c.Ready())
			})
		})
	}
}

// unanswered541 ends the connection 30 s after a question that is not answered, as RabbitMQ
// does.
func unanswered541(answer func(*fakeConn, method) bool) func(*fakeConn, method) bool {
	return func(c *fakeConn, m method) bool {
		silent := answer(c, m)
		if silent {
			time.AfterFunc(30*time.Second, func() { c.hangUp(541, "INTERNAL_ERROR") })
		}
		return silent
	}
}

func TestANodeThatIsCutOffForAMomentStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late atomic.Bool
		late.Store(true)
		f := &fake{}
		f.answer = func(c *fakeConn, m method) bool {
			if m != exchangeUnbind || !late.CompareAndSwap(true, false) {
				return false
			}
			time.AfterFunc(15*time.Second, func() { c.send(uint16(c.channel.Load()), exchangeUnbindOk) })
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
		f := &fake{}
		f.answer = func(c *fakeConn, m method) bool {
			if m == exchangeUnbind {
				asked.Add(1)
				c.closeChannel(403, "ACCESS_REFUSED - write access to exchange 'amq.fanout' in vhost '/' refused for user 'u'")
			}
			return m == exchangeUnbind
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
		f := &fake{answer: alone(&asked, "a")}
		f.answer = func(c *fakeConn, m method) bool {
			if m == exchangeUnbind {
				c.send(0, connectionBlocked, short("low on memory"))
				return true
			}
			return false
		}
		c := dialFake(t, f, "amqp://a;b", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err())
		require.ErrorIs(t, c.Ready(), failover.ErrBlocked)
		require.Len(t, f.addresses(), 1)
	})
}

func TestClosingWhileABetterNodeIsLookedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		f := &fake{answer: alone(&asked, "a", "b", "c")}
		c := dialFake(t, f, "amqp://a;b;c", failover.LeaveCutOff(20*time.Second))
		s := session(t, c)
		time.Sleep(22 * time.Second)
		require.Greater(t, len(f.addresses()), 1, "it is looking")
		start := time.Now()
		require.NoError(t, c.Close(t.Context()))
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		require.ErrorIs(t, s.Err(), failover.ErrClosed)
	})
}
