package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// Killed at any point and started again, every mail ends sent or parked.
func TestKilledAndStartedAgainNothingIsLost(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	published, ended := map[string]bool{}, map[string]bool{}

	// Each run is killed at another point of its work: after so many lines.
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

// start runs the example until it ends, or kills it after so many lines.
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

// The broker is killed instead, and comes back. It is killed before the first delay, of
// 300 ms, is over: what a classic queue is just handing on may be lost; see delayQueue.
func TestWhenTheBrokerIsKilledNothingIsLost(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	const scale = "100"
	declare(t, node, scale)
	out := &notifying{lines: 100, reached: make(chan struct{})}
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // then it names what is lost
	defer cancel()
	go func() {
		done <- run(ctx, []string{"-scale", scale, "-copies", "100"}, node.URL(), out, io.Discard)
	}()
	select {
	case <-out.reached:
	case err := <-done:
		require.FailNow(t, "it ended before the kill", "%v\n%s", err, out)
	}
	node.Kill(t)
	node.Restart(t)
	require.NoError(t, <-done)
	require.Contains(t, out.String(), "demo: published=700 processed=600 ")
	require.Contains(t, out.String(), " parked=100 lost=0\n")
}

// declare makes the queues and sees that they are on the disk. RabbitMQ says that a
// durable queue is declared while its own database still holds that in memory; killed
// just then, the broker comes back without the queue and without its mails. Queues that
// were made a while ago, as they are wherever this runs for real, are safe from that.
func declare(t *testing.T, node *rabbitmqtest.Node, scale string) {
	t.Helper()
	require.NoError(t, run(t.Context(), []string{"-scale", scale, "-copies", "0"}, node.URL(), io.Discard, io.Discard))
	require.Equal(t, "ok", node.Call(t, "mnesia sync_log []"))
}

// notifying is a buffer that tells when it has so many lines.
type notifying struct {
	bytes.Buffer
	lines   int
	reached chan struct{}
}

func (n *notifying) Write(b []byte) (int, error) {
	if n.lines > 0 {
		if n.lines -= bytes.Count(b, []byte("\n")); n.lines <= 0 {
			close(n.reached)
		}
	}
	return n.Buffer.Write(b)
}
