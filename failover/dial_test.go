package failover_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestFirstNodeDead(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	c := dial(t, []string{deadURL(t) + ";" + deadURL(t), node.URL()})
	s := session(t, c)
	require.Contains(t, node.URL(), s.Node())
	require.NotContains(t, s.Node(), "guest")
	require.Equal(t, 131072, s.FrameSize())
	require.Equal(t, "/", s.Vhost())
	require.Equal(t, "RabbitMQ", s.ServerProperties()["product"])
	require.NoError(t, s.Err())
	requireWorks(t, s)
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	wrong := node.URLFor("guest", secret, "/")

	t.Run("on every node", func(t *testing.T) {
		t.Parallel()
		start := time.Now()
		var log lockedBuffer
		_, err := failover.Dial(limit(t, patience), []string{wrong, wrong},
			failover.Logger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		require.ErrorIs(t, err, failover.ErrAuth)
		require.NotErrorIs(t, err, context.DeadlineExceeded)
		require.NotContains(t, err.Error(), secret)
		require.NotContains(t, log.String(), secret)
		require.Contains(t, log.String(), "node=127.0.0.1:")
		var reply *amqp.Error
		require.ErrorAs(t, err, &reply)
		require.True(t, reply.Server, "the broker must have said so itself, see login")
		require.Less(t, time.Since(start), patience/2)
	})
	t.Run("on one node", func(t *testing.T) {
		t.Parallel()
		start := time.Now()
		c := dial(t, []string{wrong, node.URL()})
		took := time.Since(start)
		requireWorks(t, session(t, c))
		t.Logf("connected after %v", took)
		require.Less(t, took, prompt, "the broker says no, and does not keep silent")
		require.Len(t, c.State().Unreachable, 1)
		require.ErrorIs(t, c.State().Unreachable[0], failover.ErrAuth)
		require.NotContains(t, c.State().String(), secret)
		require.NoError(t, c.Ready())
	})
	t.Run("and the others down", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, time.Second), []string{wrong, deadURL(t)}, quiet())
		require.ErrorIs(t, err, context.DeadlineExceeded, "the other node may come up")
		require.ErrorIs(t, err, failover.ErrAuth)
		require.NotContains(t, err.Error(), secret)
	})
	t.Run("with the other mechanism", func(t *testing.T) {
		t.Parallel()
		_, err := failover.Dial(limit(t, patience), []string{wrong + "?auth_mechanism=amqplain"}, quiet())
		require.ErrorIs(t, err, failover.ErrAuth)
		dial(t, []string{node.URL() + "?auth_mechanism=external&auth_mechanism=amqplain"})
	})
}

func TestWrongVhost(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	wrong := node.URLFor("guest", "guest", "nowhere")
	_, err := failover.Dial(limit(t, patience), []string{wrong}, quiet())
	require.ErrorIs(t, err, failover.ErrAuth)
	requireWorks(t, session(t, dial(t, []string{wrong, node.URL()})))
}

// A limit passes when another client disconnects; the credentials are fine.
func TestAConnectionLimitIsWaitedOut(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	node.AddVhost(t, "crowded")
	node.LimitConnections(t, "crowded", 0)
	url := node.URLFor("guest", "guest", "crowded")

	_, err := failover.Dial(limit(t, time.Second), []string{url}, quiet())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, failover.ErrAuth)

	node.LimitConnections(t, "crowded", -1)
	requireWorks(t, session(t, dial(t, []string{url})))
}

func TestOnlyTheBrokersOwnRefusalCounts(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, failover.Explain(&amqp.Error{Code: amqp.NotAllowed, Server: true}), failover.ErrAuth)
	require.NotErrorIs(t, failover.Explain(amqp.ErrCredentials), failover.ErrAuth)
	require.ErrorIs(t, failover.Explain(amqp.ErrCredentials), amqp.ErrCredentials)
}

func TestWhatTheOperatorSees(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	c := dial(t, []string{node.URL()}, failover.Name("the mail worker"),
		failover.ClientProperties(amqp.Table{"team": "post"}), failover.Heartbeat(7*time.Second))
	requireWorks(t, session(t, c))
	connections := node.Eval(t, "rabbit_networking:connection_info_all([client_properties, timeout])")
	require.Contains(t, connections, `{<<"connection_name">>,longstr,<<"the mail worker">>}`)
	require.Contains(t, connections, `{<<"product">>,longstr,<<"Warren">>}`)
	require.Contains(t, connections, `{<<"team">>,longstr,<<"post">>}`)
	require.Regexp(t, `the mail worker[^]]*.*{timeout,7}`, connections)
}

// lockedBuffer is a buffer that a logger may write to from any goroutine.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
