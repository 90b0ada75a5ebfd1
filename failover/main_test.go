package failover_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/amqpfake"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }

// patience is how long a test waits for what should come at once.
const patience = 30 * time.Second

// prompt is long for a loaded machine, and short of the 10 s that heartbeats and timeouts
// take by default: what ends within it was not ended by them.
const prompt = 8 * time.Second

// secret is the password that nothing may print.
const secret = "hunter2hunter2"

func quiet() failover.Option { return failover.Logger(slog.New(slog.DiscardHandler)) }

// dial connects, and closes when the test is over.
func dial(t *testing.T, urls []string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	opts = append([]failover.Option{quiet()}, opts...)
	c, err := failover.Dial(limit(t, patience), urls, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

func limit(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func session(t *testing.T, c *failover.Connection) *failover.Session {
	t.Helper()
	s, err := c.Session(limit(t, patience))
	require.NoError(t, err)
	return s
}

func requireDone(t *testing.T, s *failover.Session) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(patience):
		require.Fail(t, "the session does not end")
	}
}

// requireWorks opens a channel and closes it.
func requireWorks(t *testing.T, s *failover.Session) {
	t.Helper()
	channel, err := s.Channel(limit(t, patience))
	require.NoError(t, err)
	require.NoError(t, channel.Close())
}

// address returns the host and port of a node.
func address(t *testing.T, node *rabbitmqtest.Node) string {
	t.Helper()
	endpoints, err := failover.ParseURLs([]string{node.URL()})
	require.NoError(t, err)
	return endpoints[0].Address()
}

// deadURL returns the URL of a port where nobody listens.
func deadURL(t *testing.T) string {
	t.Helper()
	l := listen(t)
	require.NoError(t, l.Close())
	return "amqp://" + l.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// closeNow closes what lives in a bubble of synctest, before the test's end.
func closeNow(t *testing.T, c *failover.Connection) {
	t.Helper()
	require.NoError(t, c.Close(limit(t, patience)))
}

// nothing is an operation that succeeds.
func nothing(context.Context, *amqp.Channel) error { return nil }

func logTo(b *lockedBuffer) failover.Option {
	return failover.Logger(slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// dialFake connects to a network that is not there, and closes when the test is over.
func dialFake(t *testing.T, f *amqpfake.Network, url string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	return dial(t, []string{url}, append([]failover.Option{failover.NetDialer(f.Dial)}, opts...)...)
}
