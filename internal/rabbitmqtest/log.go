//go:build unix

package rabbitmqtest

import (
	"fmt"
	"os"
	"strings"
)

const (
	consoleLog = "console.log" // output before the broker has its log
	brokerLog  = "broker.log"

	tailBytes = 4 << 10
	fullBytes = 1 << 20
)

// log returns the last bytes of each of the node's logs.
func (n *Node) log(limit int) string {
	var text strings.Builder
	for _, name := range []string{consoleLog, brokerLog} {
		content, err := os.ReadFile(n.path(name))
		if err != nil || len(content) == 0 {
			continue
		}
		content = content[max(0, len(content)-limit):]
		fmt.Fprintf(&text, "--- %s of %s\n%s\n", name, n.name, content)
	}
	return text.String()
}

// logFailure prints the node's log if the test failed and the log is wanted.
func (n *Node) logFailure(tb TB) {
	tb.Helper()
	if tb.Failed() && os.Getenv("WARREN_RABBITMQ_LOG") != "" {
		tb.Log(n.log(fullBytes))
	}
}
