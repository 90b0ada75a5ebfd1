package failover_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// deaf is a connection whose far end gets nothing more of what is written, and goes on sending.
type deaf struct {
	net.Conn
	drops *atomic.Bool
}

func (d deaf) Write(p []byte) (int, error) {
	if d.drops.Load() {
		return len(p), nil
	}
	return d.Conn.Write(p)
}

// The broker's heartbeats still arrive, so only the broker can notice: it misses ours, and closes the
// socket. docs/operations.md has the figure.
func TestAConnectionThatIsHalfOpenTowardsTheBrokerEndsWithinThreeHeartbeats(t *testing.T) {
	t.Parallel()
	const heartbeat = 2 * time.Second
	var drops atomic.Bool
	c := dial(t, []string{rabbitmqtest.Shared(t).URL()}, failover.Heartbeat(heartbeat), failover.NetDialer(
		func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return deaf{conn, &drops}, err
		}))
	session, err := c.Session(t.Context())
	require.NoError(t, err)
	drops.Store(true)
	start := time.Now()
	<-session.Done()
	took := time.Since(start)
	t.Logf("noticed after %v, %.2f heartbeats: %v", took, took.Seconds()/heartbeat.Seconds(), session.Err())
	require.Greater(t, took, heartbeat*3/2, "the client has heard heartbeats")
	require.Less(t, took, 3*heartbeat+2*time.Second)
	drops.Store(false)
	_, err = c.Session(t.Context())
	require.NoError(t, err)
}
