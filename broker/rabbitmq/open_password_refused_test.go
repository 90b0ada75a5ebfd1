package rabbitmq_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

const secret = "hunter2"

// openLimit is how long Open may take when a node refuses the password. It took 5 to 20 ms,
// and 0.6 s on a machine that started ten nodes meanwhile. A refusal that is kept silent
// takes 3 s for each of the two connections.
const openLimit = 5 * time.Second

// address returns the host and port of a URL.
func address(t *testing.T, of string) string {
	t.Helper()
	u, err := url.Parse(of)
	require.NoError(t, err)
	return u.Host
}

// logText is the log so far, by any goroutine.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func logTo(l *logText) rabbitmq.Option {
	return rabbitmq.Logger(slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// The user exists on the second node only, and on the first has another password.
func TestAPasswordThatOneNodeRefusesIsReportedAndTheOtherNodeServes(t *testing.T) {
	t.Parallel()
	refusing, right := rabbitmqtest.Start(t), rabbitmqtest.Shared(t)
	user := name(t)
	refusing.AddUser(t, user, "another", "/")
	right.AddUser(t, user, secret, "/")
	urls := []string{refusing.URLFor(user, secret, "/"), right.URLFor(user, secret, "/")}

	var log logText
	start := time.Now()
	b, err := rabbitmq.Open(within(t), urls, logTo(&log))
	took := time.Since(start)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(withinTime(t, time.Second)) })
	t.Logf("open after %v", took)
	require.Less(t, took, openLimit)
	require.NoError(t, b.Health())

	for name, c := range map[string]*failover.Connection{"publishing": b.Publishing(), "consuming": b.Consuming()} {
		state := c.State()
		require.Equal(t, failover.Connected, state.Phase)
		require.Equal(t, address(t, urls[1]), state.Node)
		require.Len(t, state.Unreachable, 1)
		require.ErrorIs(t, state.Unreachable[0], failover.ErrAuth)
		require.ErrorContains(t, state.Unreachable[0], address(t, urls[0]))
		require.NotContains(t, state.String(), secret)
		require.Regexp(t, `level=WARN msg="failover: cannot connect" connection=`+name+` node=`+address(t, urls[0]), log.String())
	}
	require.NotContains(t, log.String(), secret)
}

func TestAPasswordThatEveryNodeRefusesIsAnErrorAtOnceThatNamesThemAll(t *testing.T) {
	t.Parallel()
	var urls []string
	for _, node := range rabbitmqtest.SharedCluster(t).Nodes() {
		urls = append(urls, node.URLFor("guest", secret, "/"))
	}
	var log logText
	start := time.Now()
	_, err := rabbitmq.Open(within(t), urls, logTo(&log))
	took := time.Since(start)
	t.Logf("refused after %v", took)
	require.Less(t, took, openLimit)
	require.ErrorIs(t, err, failover.ErrAuth)
	require.NotErrorIs(t, err, context.DeadlineExceeded)
	for _, node := range urls {
		require.ErrorContains(t, err, address(t, node))
		require.Contains(t, log.String(), address(t, node))
	}
	require.NotContains(t, err.Error()+log.String(), secret)
}

// Another node that is down may come up and take the password: that is worth waiting for.
func TestAPasswordThatIsRefusedWhileTheOthersAreDownIsWaitedOut(t *testing.T) {
	t.Parallel()
	wrong := rabbitmqtest.Shared(t).URLFor("guest", secret, "/")
	_, err := rabbitmq.Open(withinTime(t, time.Second), []string{wrong, "amqp://127.0.0.1:1"},
		rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, failover.ErrAuth, "and yet it says what is wrong with the first")
	require.NotContains(t, err.Error(), secret)
}
