package memory_test

import (
	"fmt"
	"testing"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/brokertest"
	"github.com/gowarren/warren/broker/memory"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(testing.TB) broker.Broker { return memory.New() })
}

func TestConformanceOfOlderVersions(t *testing.T) {
	t.Parallel()
	for _, v := range [][2]int{{3, 10}, {4, 0}} {
		t.Run(fmt.Sprintf("%d.%d", v[0], v[1]), func(t *testing.T) {
			t.Parallel()
			brokertest.Run(t, func(testing.TB) broker.Broker {
				return memory.New(memory.Version(v[0], v[1]))
			}, brokertest.Version(v[0], v[1]))
		})
	}
}
