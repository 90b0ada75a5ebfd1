package failover_test

import (
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/internal/failovertest"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }

// Shared with the tests of package ensure.
const patience = failovertest.Patience

var (
	quiet    = failovertest.Quiet
	dial     = failovertest.Dial
	dialFake = failovertest.DialFake
	limit    = failovertest.Limit
	session  = failovertest.Session
	closeNow = failovertest.CloseNow
	address  = failovertest.Address
	nothing  = failovertest.Nothing
	declare  = failovertest.Declare
)

// prompt is long for a loaded machine, and shorter than the default of 10 s for heartbeats and
// timeouts: whatever ends within it was not ended by them.
const prompt = 8 * time.Second

// secret is the password that nothing may print.
const secret = "hunter2hunter2"

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

// deadURL returns the URL of a port without a listener.
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

func logTo(b *lockedBuffer) failover.Option {
	return failover.Logger(slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})))
}
