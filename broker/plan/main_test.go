package plan_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/gowarren/warren/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func exchanges(list ...broker.Exchange) broker.Topology { return broker.Topology{Exchanges: list} }
func queues(list ...broker.Queue) broker.Topology       { return broker.Topology{Queues: list} }
func bindings(list ...broker.Binding) broker.Topology   { return broker.Topology{Bindings: list} }
