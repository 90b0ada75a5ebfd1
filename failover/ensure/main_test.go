package ensure_test

import (
	"testing"

	"github.com/gowarren/warren/failover/internal/failovertest"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) { rabbitmqtest.Main(m) }

// Shared with the tests of package failover.
const patience = failovertest.Patience

var (
	dial     = failovertest.Dial
	dialFake = failovertest.DialFake
	limit    = failovertest.Limit
	session  = failovertest.Session
	closeNow = failovertest.CloseNow
	address  = failovertest.Address
	nothing  = failovertest.Nothing
	declare  = failovertest.Declare
)
