// Package failovertest has helpers for the tests of failover and of the packages on it.
package failovertest

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

// Patience is how long a test waits for events that should come at once.
const Patience = 30 * time.Second

// Quiet logs nothing.
func Quiet() failover.Option { return failover.Logger(slog.New(slog.DiscardHandler)) }

// Dial connects, and closes when the test is over.
func Dial(t *testing.T, urls []string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	c, err := failover.Dial(Limit(t, Patience), urls, append([]failover.Option{Quiet()}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.Close(ctx)
	})
	return c
}

// DialFake connects to a fake network, and closes when the test is over.
func DialFake(t *testing.T, f *amqpfake.Network, url string, opts ...failover.Option) *failover.Connection {
	t.Helper()
	return Dial(t, []string{url}, append([]failover.Option{failover.NetDialer(f.Dial)}, opts...)...)
}

// Limit is the test's context for d.
func Limit(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Session waits for a session.
func Session(t *testing.T, c *failover.Connection) *failover.Session {
	t.Helper()
	s, err := c.Session(Limit(t, Patience))
	require.NoError(t, err)
	return s
}

// CloseNow closes a connection in a bubble of synctest, before the test's end.
func CloseNow(t *testing.T, c *failover.Connection) {
	t.Helper()
	require.NoError(t, c.Close(Limit(t, Patience)))
}

// Address returns the host and port of a node.
func Address(t *testing.T, node *rabbitmqtest.Node) string {
	t.Helper()
	endpoints, err := failover.ParseURLs([]string{node.URL()})
	require.NoError(t, err)
	return endpoints[0].Address()
}

// Nothing is an operation that succeeds.
func Nothing(context.Context, *amqp.Channel) error { return nil }

// Declare returns an operation that declares a queue which goes with its connection.
func Declare(queue string) func(context.Context, *amqp.Channel) error {
	return func(_ context.Context, channel *amqp.Channel) error {
		_, err := channel.QueueDeclare(queue, false, true, true, false, nil)
		return err
	}
}
