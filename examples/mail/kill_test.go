package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Killed at any point and started again, every mail ends sent or parked.
func TestKilledAndStartedAgainNothingIsLost(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	published, ended := map[string]bool{}, map[string]bool{}

	// Each run is killed at another point of its work: after this many lines.
	for _, lines := range []int{40, 150, 350} {
		scan(t, start(t, url, lines), published, ended)
	}
	require.NotEmpty(t, published)
	require.Less(t, len(ended), len(published), "the kill came in the middle of the work")

	last := start(t, url, 0)
	scan(t, last, published, ended)
	for id := range published {
		require.True(t, ended[id], "mail %s was published, and neither sent nor parked", id)
	}
	require.Contains(t, last.String(), "lost=0\n")
	require.Contains(t, last.String(), "mail_retry_3   0\n")
}

// start runs the example until it ends, or kills it after this many lines.
func start(t *testing.T, url string, lines int) *bytes.Buffer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-scale", scale, "-copies", "30")
	cmd.Env = append(os.Environ(), "WARREN_MAIL_EXAMPLE=1", "AMQP_URL="+url)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var out bytes.Buffer
	lined := bufio.NewScanner(stdout)
	for n := 1; lined.Scan(); n++ {
		fmt.Fprintln(&out, lined.Text())
		if n == lines {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	if lines == 0 {
		require.NoError(t, err)
	}
	return &out
}

var event = regexp.MustCompile(`s  (\S+): (published|attempt \d+: sent|.*now in mail_parked)\n`)

// scan collects which mails were published, and which came to an end.
func scan(t *testing.T, out *bytes.Buffer, published, ended map[string]bool) {
	t.Helper()
	for _, m := range event.FindAllStringSubmatch(out.String(), -1) {
		if m[2] == "published" {
			published[m[1]] = true
		} else {
			ended[m[1]] = true
		}
	}
}
