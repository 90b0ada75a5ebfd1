//go:build unix

package rabbitmqtest_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestAProgramHasNodesUntilItEnds(t *testing.T) {
	t.Parallel()
	var node *rabbitmqtest.Node
	err := rabbitmqtest.Run(t.Context(), func(tb rabbitmqtest.TB) {
		node = rabbitmqtest.Start(tb)
		publish(t, node.URL(), "of a program")
		node.Ctl(tb, "no_such_command")
		t.Error("Fatalf ends it")
	})
	require.ErrorContains(t, err, "no_such_command")
	requireSilent(t, node.Addresses()[0])
	require.NoDirExists(t, node.Directory())
}

func TestAProgramCleansUpLikeATest(t *testing.T) {
	t.Parallel()
	var order []int
	err := rabbitmqtest.Run(t.Context(), func(tb rabbitmqtest.TB) {
		tb.Cleanup(func() { order = append(order, 1) })
		tb.Cleanup(func() { tb.Fatalf("first") })
		tb.Cleanup(func() {
			tb.Cleanup(func() { order = append(order, 2) })
			order = append(order, 3)
		})
		require.False(t, tb.Failed())
		tb.Errorf("%d failed", 1)
		require.True(t, tb.Failed())
	})
	require.EqualError(t, err, "1 failed\nfirst")
	require.Equal(t, []int{3, 2, 1}, order)
	require.NoError(t, rabbitmqtest.Run(t.Context(), func(rabbitmqtest.TB) {}))
}

func TestAProgramThatIsInterruptedDoesNotWaitForItsNodes(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	begun := time.Now()
	err := rabbitmqtest.Run(ctx, func(tb rabbitmqtest.TB) {
		rabbitmqtest.StartCluster(tb, 3)
		t.Error("it has started")
	})
	require.ErrorContains(t, err, context.Canceled.Error())
	require.Less(t, time.Since(begun), 2*time.Second)
}

// panickingVariable makes TestPanickingProgram panic.
const panickingVariable = "WARREN_RABBITMQTEST_PANIC"

func TestAProgramThatPanicsCleansUpAndSaysWhereItWas(t *testing.T) {
	t.Parallel()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanickingProgram$")
	child.Env = append(os.Environ(), panickingVariable+"=1")
	out, err := child.CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `(?s)cleaned up.*panic: oops.*TestPanickingProgram`, string(out))
}

// TestPanickingProgram panics, when it is asked to.
func TestPanickingProgram(t *testing.T) {
	if os.Getenv(panickingVariable) == "" {
		return
	}
	_ = rabbitmqtest.Run(t.Context(), func(tb rabbitmqtest.TB) {
		tb.Cleanup(func() { tb.Log("cleaned up") })
		panic("oops")
	})
}
