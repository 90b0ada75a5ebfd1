package rabbitmq_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestNoMessageIsLostWithItsNode(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"classic", "quorum"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			node := rabbitmqtest.Start(t)
			for _, fault := range []struct {
				name string
				harm func(t *testing.T)
			}{
				{"connections closed", func(t *testing.T) { t.Helper(); node.CloseConnections(t, "by the test") }},
				{"hung for longer than the heartbeat", func(t *testing.T) {
					t.Helper()
					node.Pause(t)
					<-time.After(2500 * time.Millisecond)
					node.Resume(t)
				}},
				{"stopped", func(t *testing.T) { t.Helper(); node.Stop(t); node.Restart(t) }},
				{"killed", func(t *testing.T) { t.Helper(); node.Sync(t); node.Kill(t); node.Restart(t) }},
			} {
				t.Run(fault.name, func(t *testing.T) {
					w := newWard(t, node.URL(), kind, rabbitmq.Failover(failover.Heartbeat(time.Second),
						failover.ConnectTimeout(time.Second), failover.Backoff(10*time.Millisecond, 200*time.Millisecond)))
					w.fill(t, 300)
					w.consume(t)
					w.reaches(t, 100)
					fault.harm(t)
					require.Eventually(t, func() bool { return w.losses() > 0 }, patience, time.Millisecond)
					w.fill(t, 50)
					if kind == "classic" && fault.name == "killed" {
						w.end(t) // the node has stored none of the acks of the last seconds
						return
					}
					w.finish(t)
				})
			}
		})
	}
}
