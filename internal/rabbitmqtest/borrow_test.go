//go:build unix

package rabbitmqtest_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// One after the other: who returns a node leaves it to the next.
func TestABorrowedNodeIsLentAgain(t *testing.T) {
	t.Parallel()
	var first, other string
	t.Run("two tests have two nodes", func(t *testing.T) {
		first, other = rabbitmqtest.Borrow(t).URL(), rabbitmqtest.Borrow(t).URL()
		require.NotEqual(t, first, other)
	})
	t.Run("the next test has one of them", func(t *testing.T) {
		node := rabbitmqtest.Borrow(t)
		require.Equal(t, first, node.URL())
		dial(t, node.URL())
		node.CloseConnections(t, "test")
		channel(t, dial(t, node.URL()))
	})
	t.Run("until somebody kills it", func(t *testing.T) {
		node := rabbitmqtest.Borrow(t)
		require.Equal(t, first, node.URL())
		node.Kill(t)
	})
	t.Run("which is nobody's any more", func(t *testing.T) {
		require.Equal(t, other, rabbitmqtest.Borrow(t).URL())
	})
}

// One after the other, on one node: each that can be undone is.
func TestWhatATestLeavesBehindIsSeen(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	asItWas := node.Lent(t)
	var conn *amqp.Connection
	for _, row := range []struct {
		name string
		do   func(t *testing.T)
		undo func(t *testing.T)
	}{
		{
			"a memory alarm",
			func(t *testing.T) { t.Helper(); node.SetMemoryAlarm(t, true) },
			func(t *testing.T) { t.Helper(); node.SetMemoryAlarm(t, false) },
		},
		{
			"a disk alarm",
			func(t *testing.T) { t.Helper(); node.SetDiskAlarm(t, true) },
			func(t *testing.T) { t.Helper(); node.SetDiskAlarm(t, false) },
		},
		{
			"a client",
			func(t *testing.T) { t.Helper(); conn = dial(t, node.URL()) },
			func(t *testing.T) { t.Helper(); require.NoError(t, conn.Close()) },
		},
		{
			"a node that hangs",
			func(t *testing.T) { t.Helper(); node.Pause(t) },
			func(t *testing.T) { t.Helper(); node.Resume(t) },
		},
		{
			"a setting",
			func(t *testing.T) { t.Helper(); node.Call(t, "application set_env [rabbit, of_a_test, 1]") },
			func(t *testing.T) { t.Helper(); node.Call(t, "application unset_env [rabbit, of_a_test]") },
		},
		{
			"a limit of a vhost",
			func(t *testing.T) { t.Helper(); node.LimitConnections(t, "/", 100) },
			func(t *testing.T) { t.Helper(); node.Eval(t, `rabbit_vhost_limit:clear(<<"/">>, <<"test">>)`) },
		},
		{
			"a permission",
			func(t *testing.T) { t.Helper(); node.Permit(t, "guest", "/", "^$", ".*", ".*") },
			func(t *testing.T) { t.Helper(); node.Permit(t, "guest", "/", ".*", ".*", ".*") },
		},
		{
			"a user",
			func(t *testing.T) { t.Helper(); node.AddUser(t, "user", "secret", "/") },
			func(*testing.T) {},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			require.True(t, asItWas(soon))
			row.do(t)
			require.False(t, asItWas(300*time.Millisecond))
			row.undo(t)
		})
	}
}
