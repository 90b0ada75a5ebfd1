package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer/service"
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

// After 600 ms, on the bubble's clock, four mails wait for their first retry.
func TestWhenInterruptedNothingIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
		defer cancel()
		var out bytes.Buffer
		err := run(ctx, []string{"-scale", "10"}, "", &out, io.Discard, service.Signals())
		require.ErrorContains(t, err, "4 mails wait in their queues")
		require.Contains(t, out.String(), "lost=0\n")
	})
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
