package pubsub_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Watermill's suite restarts the broker by running a command. That is this test program with this
// variable set: it asks the process that runs the suite, and waits.
const restartVariable = "WARREN_PUBSUB_RESTART"

// askForRestart is the command.
func askForRestart(address string) error {
	conn, err := net.Dial("tcp", address) //nolint:noctx // the suite waits for as long as it takes
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was read to its end
	answer, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	if string(answer) != restarted {
		return fmt.Errorf("not restarted: %q", answer)
	}
	return nil
}

const restarted = "restarted"

// restartCommand returns a command that restarts node, for as long as the test runs.
func restartCommand(t *testing.T, node *rabbitmqtest.Node) []string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it lasts as long as the test
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			answer(conn, node)
		}
	}()
	return []string{"env", restartVariable + "=" + listener.Addr().String(), os.Args[0]}
}

// answer restarts node and reports it; without an answer the command fails.
func answer(conn net.Conn, node *rabbitmqtest.Node) {
	defer conn.Close() //nolint:errcheck // the other side knows
	err := rabbitmqtest.Run(context.Background(), func(tb rabbitmqtest.TB) { node.Restart(tb) })
	if err == nil {
		_, _ = io.WriteString(conn, restarted)
	}
}
