package failover_test

import (
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// The client's reader waits until an answer is taken. One that comes twice, as RabbitMQ 3.10 may send
// consume-ok, is taken by nobody: all channels of the connection stood still, without end, and the
// heartbeats went on.
func TestAReaderThatIsStuckLosesTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a", failover.AnswerTimeout(4*time.Second))
		s := session(t, c)
		_, err := s.Channel(t.Context())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.NoError(t, s.Err(), "idle is not stuck")

		start := time.Now()
		conn := f.Latest()
		conn.Send(conn.LastChannel(), amqpfake.ChannelOpenOk, amqpfake.Long(""))
		<-s.Done()
		require.ErrorIs(t, s.Err(), failover.ErrStuck)
		require.ErrorIs(t, s.Err(), failover.ErrLost)
		require.GreaterOrEqual(t, time.Since(start), 4*time.Second)
		require.LessOrEqual(t, time.Since(start), 6*time.Second)
		requireWorks(t, session(t, c))
		closeNow(t, c)
	})
}

// The same with a notification channel that nobody drains, for which the client waits 5 s each time.
func TestANotificationThatNobodyTakesLosesTheSession(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.AnswerTimeout(time.Second))
	s := session(t, c)
	channel, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	channel.NotifyReturn(make(chan amqp.Return))
	start := time.Now()
	for range 3 {
		require.NoError(t, channel.PublishWithContext(t.Context(), "", "nowhere", true, false, amqp.Publishing{}))
	}
	requireDone(t, s)
	require.ErrorIs(t, s.Err(), failover.ErrStuck)
	require.Less(t, time.Since(start), prompt)
	requireWorks(t, session(t, c))
	require.NoError(t, c.Ready())
	require.NoError(t, c.Close(limit(t, patience)), "the client gives up the notification")
}
