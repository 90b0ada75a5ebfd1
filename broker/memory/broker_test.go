package memory_test

import (
	"testing"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/brokertest"
	"github.com/gowarren/warren/broker/memory"
)

func TestConformance(t *testing.T) {
	brokertest.Run(t, func(testing.TB) broker.Broker { return memory.New() })
}
