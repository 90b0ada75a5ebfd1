//go:build unix

package rabbitmqtest_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestWithoutRabbitMQTestsFailAndSayWhatToInstall(t *testing.T) {
	t.Parallel()
	out := runAgain(t, "TestSharedIsOneNode", "RABBITMQ_HOME="+t.TempDir())
	require.Contains(t, out, "RabbitMQ is not installed: run scripts/ensure-rabbitmq")
	require.Contains(t, out, "RABBITMQ_HOME")
}

// brokenVariable makes TestStartABrokenNode real.
const brokenVariable = "WARREN_RABBITMQTEST_BROKEN"

func TestANodeThatCannotStartShowsItsLog(t *testing.T) {
	t.Parallel()
	out := runAgain(t, "TestStartABrokenNode", brokenVariable+"=1")
	require.Contains(t, out, "the process ended")
	require.Contains(t, out, "no_such_setting")
}

// TestStartABrokenNode starts a node that cannot start, when it is asked to.
func TestStartABrokenNode(t *testing.T) {
	if os.Getenv(brokenVariable) != "" {
		rabbitmqtest.Start(t, rabbitmqtest.Config("no_such_setting = 1"))
	}
}

// runAgain runs one test of this binary in a process of its own, requires that it
// fails, and returns its output.
func runAgain(t *testing.T, test string, env ...string) string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.v")
	child.Env = append(os.Environ(), env...)
	out, err := child.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "--- FAIL: "+test)
	return string(out)
}
