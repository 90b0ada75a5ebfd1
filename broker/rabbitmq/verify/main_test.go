package verify_test

import (
	"log/slog"
	"testing"

	"github.com/gowarren/warren/broker/internal/rig"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// Shared with other tests over this broker.
const patience = rig.Patience

var (
	open       = rig.Open
	within     = rig.Within
	withinTime = rig.WithinTime
	name       = rig.Name
	raw        = rig.Raw
	to         = rig.To
	text       = rig.Text
	subscribe  = rig.Subscribe
	receive    = rig.Receive
	ready      = rig.Ready
)
