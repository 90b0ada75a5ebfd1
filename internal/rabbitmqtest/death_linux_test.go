package rabbitmqtest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// victimVariable makes TestVictim the process that is killed.
const victimVariable = "WARREN_RABBITMQTEST_VICTIM"

func TestNodesDieWithAKilledTestProcess(t *testing.T) {
	t.Parallel()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), victimVariable+"=1")
	stdout, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	fields := strings.Fields(line)
	directories, addresses := fields[:3], fields[3:]
	for _, address := range addresses {
		require.True(t, listening(t, address), address)
	}

	require.NoError(t, victim.Process.Signal(syscall.SIGKILL))
	require.Error(t, victim.Wait())

	for _, address := range addresses {
		requireSilent(t, address)
	}
	rabbitmqtest.Start(t)
	for _, directory := range directories {
		require.NoDirExists(t, directory, "the next start removes it")
	}
}

// TestVictim prints where its nodes are and waits to be killed, when it is asked to.
func TestVictim(t *testing.T) {
	if os.Getenv(victimVariable) == "" {
		return
	}
	var fields []string
	nodes := rabbitmqtest.StartCluster(t, 3).Nodes()
	for _, node := range nodes {
		fields = append(fields, node.Directory())
	}
	for _, node := range nodes {
		fields = append(fields, node.Addresses()...)
	}
	_, err := fmt.Fprintln(os.Stdout, strings.Join(fields, " "))
	require.NoError(t, err)
	select {}
}
