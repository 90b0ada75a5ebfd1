package rabbitmq_test

import (
	"testing"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/brokertest"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	brokertest.Run(t, func(tb testing.TB) broker.Broker {
		tb.Helper()
		return open(tb, url)
	})
}
