package ensure_test

import (
	"context"
	"log/slog"
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

// dial connects, and closes when the test is over.
func dial(t *testing.T, urls []string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	opts = append([]failover.Option{failover.Logger(slog.New(slog.DiscardHandler))}, opts...)
	c, err := failover.Dial(limit(t, patience), urls, opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// dialFake connects to a network that is not there, and closes when the test is over.
func dialFake(t *testing.T, f *amqpfake.Network, url string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	return dial(t, []string{url}, append([]failover.Option{failover.NetDialer(f.Dial)}, opts...)...)
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

// address returns the host and port of a node.
func address(t *testing.T, node *rabbitmqtest.Node) string {
	t.Helper()
	endpoints, err := failover.ParseURLs([]string{node.URL()})
	require.NoError(t, err)
	return endpoints[0].Address()
}

// closeNow closes what lives in a bubble of synctest, before the test's end.
func closeNow(t *testing.T, c *failover.Connection) {
	t.Helper()
	require.NoError(t, c.Close(limit(t, patience)))
}

// nothing is an operation that succeeds.
func nothing(context.Context, *amqp.Channel) error { return nil }

// declare returns an operation that declares a queue which goes with its connection.
func declare(queue string) func(context.Context, *amqp.Channel) error {
	return func(_ context.Context, channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(queue, false, true, true, false, nil)
		return err
	}
}
