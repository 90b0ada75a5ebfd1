package failover_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMemoryAlarm(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()}, failover.AnswerTimeout(200*time.Millisecond))
	s := session(t, c)
	_, blocked := s.Blocked()
	require.False(t, blocked)
	require.NoError(t, s.Unblocked(t.Context()))

	block(t, node, s)
	reason, _ := s.Blocked()
	require.Equal(t, "low on memory", reason)
	require.ErrorIs(t, s.Unblocked(limit(t, 100*time.Millisecond)), context.DeadlineExceeded)
	_, err := s.Channel(limit(t, time.Second))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, s.Err(), "a blocked broker is not one that hangs")

	node.SetMemoryAlarm(t, false)
	require.NoError(t, s.Unblocked(limit(t, patience)))
	_, blocked = s.Blocked()
	require.False(t, blocked)
	requireWorks(t, s)
	require.Same(t, s, session(t, c))
}

func TestCloseWhileBlocked(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()})
	s := session(t, c)
	block(t, node, s)

	start := time.Now()
	require.NoError(t, c.Close(limit(t, patience)))
	require.Less(t, time.Since(start), prompt)
	require.ErrorIs(t, s.Unblocked(t.Context()), failover.ErrClosed)
}

func TestTheEndOfASessionEndsTheWait(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	s := session(t, dial(t, []string{node.URL()}))
	block(t, node, s)
	waiting := make(chan error)
	go func() { waiting <- s.Unblocked(t.Context()) }()
	node.Kill(t)
	require.ErrorIs(t, <-waiting, failover.ErrLost)
}

// block raises the alarm and publishes, which makes the broker block the
// connection. A request is open at that moment: it must not cost the session.
func block(t *testing.T, node *rabbitmqtest.Node, s *failover.Session) {
	t.Helper()
	channel, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	node.SetMemoryAlarm(t, true)
	require.NoError(t, channel.PublishWithContext(t.Context(), "", "nowhere", false, false, amqp.Publishing{}))
	_, err = s.Channel(limit(t, time.Second))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, blocked := s.Blocked()
	require.True(t, blocked)
}
