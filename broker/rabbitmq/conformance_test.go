package rabbitmq_test

import (
	"testing"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/brokertest"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	node.Call(t, "application set_env [rabbit, dead_letter_worker_publisher_confirm_timeout, 500]")
	url, release := node.URL(), rabbitmqtest.Version(t)
	brokertest.Run(t, func(tb testing.TB) broker.Broker {
		tb.Helper()
		return open(tb, url)
	}, brokertest.Version(release.Major, release.Minor))
}
