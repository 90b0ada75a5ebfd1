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
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
)

// TestMain is the example itself when a test starts it as a program of its own.
func TestMain(m *testing.M) {
	if os.Getenv("WARREN_MAIL_EXAMPLE") != "" {
		main()
		return
	}
	rabbitmqtest.Main(m)
}

const (
	scale    = "1000" // 30 ms, 180 ms, 1.8 s
	lastLine = "demo: published=7 processed=6 retried=9 parked=1 lost=0"
)

// day is the part of the ids that differs from run to run.
var day = regexp.MustCompile(`(\w+)-[A-Z2-7]{6}`)

// lives returns the table of a run's output without what depends on the run: ids and
// times.
func lives(t *testing.T, output string) string {
	t.Helper()
	_, rest, found := strings.Cut(output, "\nMAIL ")
	require.True(t, found, output)
	rest = day.ReplaceAllString(rest, "$1")
	var lines []string
	for line := range strings.Lines(rest) {
		fields := strings.Fields(line)
		if n := len(fields); n > 1 && fields[n-1] == "s" {
			fields = fields[:n-2]
		}
		lines = append(lines, strings.Join(fields, " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

const wantLives = `ATTEMPT OUTCOME WAITS IN ELAPSED
anna 1 sent
ben 1 451 try again later mail_retry_1
2 sent
clara 1 sent
david 1 451 try again later mail_retry_1
2 451 try again later mail_retry_2
3 sent
emma 1 sent
frank 1 550 no such mailbox mail_retry_1
2 550 no such mailbox mail_retry_2
3 550 no such mailbox mail_retry_3
4 550 no such mailbox mail_parked
gina 1 451 try again later mail_retry_1
2 451 try again later mail_retry_2
3 451 try again later mail_retry_3
4 sent

QUEUE MAILS
mail 0
mail_retry_1 0
mail_retry_2 0
mail_retry_3 0
mail_parked 1

` + lastLine

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-scale", scale}, "", &out, io.Discard))
	require.Equal(t, wantLives, lives(t, out.String()))
	require.True(t, strings.HasSuffix(out.String(), "\n"+lastLine+"\n"), "the last line")
}

func TestOnRabbitMQItDoesExactlyTheSame(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	url := rabbitmqtest.Start(t).URL()
	require.NoError(t, run(t.Context(), []string{"-scale", scale}, url, &out, io.Discard))
	require.Equal(t, wantLives, lives(t, out.String()))
}

func TestWhenInterruptedNothingIsLost(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	err := run(ctx, []string{"-scale", "10"}, "", &out, io.Discard)
	require.ErrorContains(t, err, "4 mails wait in their queues")
	require.Contains(t, out.String(), "lost=0\n")
}

func TestWrongInput(t *testing.T) {
	t.Parallel()
	for says, tc := range map[string]struct {
		args []string
		url  string
	}{
		"-scale":         {[]string{"-scale", "0"}, ""},
		"not defined":    {[]string{"-wrong"}, ""},
		"amqp":           {nil, "http://guest:hunter2@localhost/"},
		"another -scale": {[]string{"-scale", "7"}, conflictingURL(t)},
	} {
		err := run(t.Context(), tc.args, tc.url, io.Discard, io.Discard)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// conflictingURL is a broker where the queues have other delays.
func conflictingURL(t *testing.T) string {
	t.Helper()
	url := rabbitmqtest.Shared(t).URL()
	require.NoError(t, run(t.Context(), []string{"-copies", "0", "-scale", "8"}, url, io.Discard, io.Discard))
	return url
}

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

// The broker is killed instead, and comes back.
func TestWhenTheBrokerIsKilledNothingIsLost(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	out := &notifying{lines: 200, reached: make(chan struct{})}
	done := make(chan error, 1)
	go func() {
		done <- run(t.Context(), []string{"-scale", scale, "-copies", "100"}, node.URL(), out, io.Discard)
	}()
	<-out.reached
	node.Kill(t)
	node.Restart(t)
	require.NoError(t, <-done)
	require.Contains(t, out.String(), "demo: published=700 processed=600 ")
	require.Contains(t, out.String(), " parked=100 lost=0\n")
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
