package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Stopped in the middle and started again on the same store, every order ends shipped or
// parked.
func TestStoppedAndStartedAgainNothingIsLost(t *testing.T) {
	t.Parallel()
	dir, ends := t.TempDir(), newEnds()
	for _, lines := range []int{30, 60} {
		ctx, cancel := context.WithCancel(t.Context())
		out, in := io.Pipe()
		result := make(chan error, 1)
		go func() {
			err := run(ctx, args(dir, 200), "", in)
			_ = in.Close()
			result <- err
		}()
		ends.read(t, out, lines, cancel)
		require.ErrorContains(t, <-result, "start again to go on")
		cancel()
	}
	require.Less(t, len(ends.ended), len(ends.published), "it was stopped in the middle of the work")
	finish(t, dir, ends)
}

// Killed with kill -9, too. Orders in flight are redelivered when their time for an ack is over.
func TestKilledAndStartedAgainNothingIsLost(t *testing.T) {
	t.Parallel()
	dir, ends := t.TempDir(), newEnds()
	for _, lines := range []int{30, 100} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], args(dir, 200)...)
		cmd.Env = append(os.Environ(), "WARREN_NATS_EXAMPLE=1")
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		ends.read(t, out, lines, func() { _ = cmd.Process.Kill() })
		require.Error(t, cmd.Wait())
	}
	require.Less(t, len(ends.ended), len(ends.published), "it was killed in the middle of the work")
	finish(t, dir, ends)
}

// args are those of a run on a store.
func args(dir string, orders int) []string {
	return []string{"-broker", "none", "-ackwait", "1s", "-store", dir, "-orders", strconv.Itoa(orders)}
}

// finish runs the program until nothing is left, and finds each order that was published.
func finish(t *testing.T, dir string, ends *ends) {
	t.Helper()
	var out strings.Builder
	require.NoError(t, run(t.Context(), args(dir, 0), "", &out))
	ends.read(t, strings.NewReader(out.String()), 0, nil)
	require.Contains(t, out.String(), "lost=0\n")
	for id := range ends.published {
		require.True(t, ends.ended[id], "%s was published, and neither shipped nor parked", id)
	}
}

// ends are which orders were published, and which came to an end.
type ends struct{ published, ended map[string]bool }

func newEnds() *ends { return &ends{published: map[string]bool{}, ended: map[string]bool{}} }

var event = regexp.MustCompile(`^(order \d+)  (published|try \d+: shipped|try \d+: .*, parked)$`)

// read reads what a run prints, and calls stop after a number of lines. An order that another run
// publishes again must end again.
func (e *ends) read(t *testing.T, out io.Reader, lines int, stop func()) {
	t.Helper()
	lined := bufio.NewScanner(out)
	for n := 1; lined.Scan(); n++ {
		if m := event.FindStringSubmatch(lined.Text()); m != nil {
			if m[2] == "published" {
				e.published[m[1]] = true
			} else {
				e.ended[m[1]] = true
			}
		}
		if n == lines {
			stop()
		}
	}
	require.NoError(t, lined.Err())
}
