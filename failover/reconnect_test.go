package failover_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestNodeKilledAndRestarted(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()}, failover.Backoff(50*time.Millisecond, 200*time.Millisecond))
	first := session(t, c)

	node.Kill(t)
	requireDone(t, first)
	require.ErrorIs(t, first.Err(), failover.ErrLost)
	require.NotErrorIs(t, first.Err(), failover.ErrClosed)
	_, err := first.Channel(t.Context())
	require.ErrorIs(t, err, failover.ErrLost)
	require.ErrorIs(t, first.Unblocked(t.Context()), failover.ErrLost)

	_, err = c.Session(limit(t, 300*time.Millisecond))
	require.ErrorIs(t, err, context.DeadlineExceeded)

	node.Restart(t)
	second := session(t, c)
	require.NotSame(t, first, second)
	requireWorks(t, second)
}

func TestTheOtherNodeTakesOver(t *testing.T) {
	t.Parallel()
	one, two := rabbitmqtest.Start(t), rabbitmqtest.Start(t)
	c := dial(t, []string{one.URL(), two.URL()}, failover.StableAfter(0), failover.Backoff(time.Hour, time.Hour))
	first := session(t, c)
	require.Contains(t, one.URL(), first.Node())

	start := time.Now()
	one.Kill(t)
	requireDone(t, first)
	second := session(t, c)
	require.Contains(t, two.URL(), second.Node())
	requireWorks(t, second)
	t.Logf("the other node took over in %v", time.Since(start))

	one.Restart(t)
	two.Stop(t)
	requireDone(t, second)
	require.Contains(t, one.URL(), session(t, c).Node())
}

func TestServerClosesAllConnections(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	c := dial(t, []string{node.URL()}, failover.Backoff(10*time.Millisecond, 10*time.Millisecond))
	for range 5 {
		s := session(t, c)
		node.CloseConnections(t, "maintenance")
		requireDone(t, s)
		var reply *amqp.Error
		require.ErrorAs(t, s.Err(), &reply)
		require.Equal(t, amqp.ConnectionForced, reply.Code)
		require.ErrorContains(t, s.Err(), "maintenance")
	}
	requireWorks(t, session(t, c))
}

// dials records when each attempt was made.
type dials struct {
	mu    sync.Mutex
	times []time.Time
}

func (d *dials) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	d.times = append(d.times, time.Now())
	d.mu.Unlock()
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

func TestFlappingDoesNotResetTheBackoff(t *testing.T) {
	t.Parallel()
	const base, limit = 20 * time.Millisecond, 160 * time.Millisecond
	var d dials
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.NetDialer(d.dial), failover.Backoff(base, limit))
	for range 8 {
		session(t, c).Abort(errors.New("flap"))
	}
	session(t, c)

	d.mu.Lock()
	defer d.mu.Unlock()
	require.Len(t, d.times, 9)
	for i := 1; i < len(d.times); i++ {
		require.GreaterOrEqual(t, d.times[i].Sub(d.times[i-1]), failover.BackoffWait(base, limit, i, 0))
	}
}

func TestAStableSessionIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.StableAfter(0), failover.Backoff(time.Hour, time.Hour))
	for range 10 {
		session(t, c).Abort(nil)
	}
	requireWorks(t, session(t, c))
}

func TestHeartbeatNoticesANodeThatHangs(t *testing.T) {
	t.Parallel()
	hung, other := rabbitmqtest.Start(t), rabbitmqtest.Shared(t)
	c := dial(t, []string{hung.URL(), other.URL()}, failover.Heartbeat(2*time.Second))
	first := session(t, c)

	start := time.Now()
	pause(t, hung)
	requireDone(t, first)
	t.Logf("noticed after %v", time.Since(start))
	require.Less(t, time.Since(start), 4500*time.Millisecond, "1.5 x heartbeat, and some")
	require.Contains(t, other.URL(), session(t, c).Node())
}
