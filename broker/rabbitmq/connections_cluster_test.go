package rabbitmq_test

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// host is the address in a URL.
func host(tb testing.TB, address string) string {
	tb.Helper()
	u, err := url.Parse(address)
	require.NoError(tb, err)
	return u.Host
}

// Publishing moved to the new cluster of a migration, and consuming stayed with the old one. Health
// was nil, and 50 of 100 confirmed messages were stranded.
func TestTwoClustersBehindOneListAreSaidLoudly(t *testing.T) {
	t.Parallel()
	blue, green := rabbitmqtest.Start(t), rabbitmqtest.Start(t)
	urls := []string{blue.URL(), green.URL()}
	log := &records{}
	b, err := rabbitmq.Open(within(t), urls, rabbitmq.Logger(slog.New(log)))
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	require.NoError(t, b.Health())
	session, err := b.Publishing().Session(within(t))
	require.NoError(t, err)
	session.Abort(nil) // it goes to the next node
	require.Eventually(t, func() bool {
		s, err := b.Publishing().Session(within(t))
		return err == nil && s.Node() != session.Node()
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool {
		return log.count("the connections do not belong together") > 0
	}, patience, time.Millisecond)
	require.ErrorIs(t, b.Health(), rabbitmq.ErrTwoClusters)

	session, err = b.Consuming().Session(within(t))
	require.NoError(t, err)
	session.Abort(nil)
	require.Eventually(t, func() bool { return b.Health() == nil }, patience, time.Millisecond, "both are on the other")
}

func TestABrokerOnTwoClustersDoesNotOpen(t *testing.T) {
	t.Parallel()
	blue, green := rabbitmqtest.Start(t), rabbitmqtest.Start(t)
	elsewhere := host(t, green.URL())
	var dialled atomic.Int64
	_, err := rabbitmq.Open(within(t), []string{blue.URL()}, rabbitmq.Logger(slog.New(slog.DiscardHandler)),
		rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, address string) (net.Conn, error) {
			if dialled.Add(1) == 2 {
				address = elsewhere
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		})))
	require.ErrorIs(t, err, rabbitmq.ErrTwoClusters)
}

// The nodes greet with different names of their cluster.
func TestNodesOfOneClusterAreOne(t *testing.T) {
	t.Parallel()
	urls := rabbitmqtest.SharedCluster(t).URLs()
	var hosts []string
	for _, u := range urls {
		hosts = append(hosts, host(t, u))
	}
	var dialled atomic.Int64
	log := &records{}
	for range 5 {
		b := open(t, urls[0], rabbitmq.Logger(slog.New(log)),
			rabbitmq.Failover(failover.NetDialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, hosts[int(dialled.Add(1))%len(hosts)])
			})))
		require.NoError(t, b.Health())
		for _, connection := range []*failover.Connection{b.Publishing(), b.Consuming()} {
			session, err := connection.Session(within(t))
			require.NoError(t, err)
			session.Abort(nil)
		}
		require.Eventually(t, func() bool { return b.Publishing().Ready() == nil && b.Consuming().Ready() == nil }, patience, time.Millisecond)
	}
	require.Zero(t, log.count("the connections do not belong together"))
}
