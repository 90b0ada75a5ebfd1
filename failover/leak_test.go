package failover_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Connections that are dialled, used, watched, killed by their node and closed, at every
// moment of their lives. It is not parallel, so that the goroutines it looks at, and the
// connections that the node closes, are its own.
func TestStressOfStartsAndStopsAndKills(t *testing.T) {
	node := rabbitmqtest.Shared(t)
	before := goleak.IgnoreCurrent()
	for i := range 200 {
		c, err := failover.Dial(limit(t, patience), []string{node.URL()}, quiet(),
			failover.Backoff(time.Millisecond, time.Millisecond))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		watching := make(chan struct{})
		go func() {
			defer close(watching)
			for range c.Watch(ctx) { //nolint:revive // the states are of no interest
			}
		}()
		working := make(chan error)
		go func() {
			working <- ensure.Do(ctx, c, func(ctx context.Context, channel *amqp.Channel) error {
				if i%4 == 0 && i%5 != 0 { // without a wait before Close
					<-ctx.Done()
					return ctx.Err()
				}
				return declare("")(ctx, channel)
			}, ensure.Retries(0))
		}()
		switch i % 3 {
		case 0:
			node.CloseConnections(t, "maintenance")
		case 1:
			session(t, c).Abort(nil)
		}
		if i%4 == 0 && i%3 == 2 {
			cancel()
		}
		if i%5 == 0 {
			<-working
			working = nil
		}
		require.NoError(t, c.Close(limit(t, patience)))
		if i%2 == 0 {
			<-watching // Close ends it
		}
		cancel()
		if working != nil {
			<-working
		}
		<-watching
	}
	goleak.VerifyNone(t, before)
}
