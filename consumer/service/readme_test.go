//go:build unix

package service_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// The program in the README, as it stands there but for the URL: it declares its queues, sends a mail, parks one that is
// no mail, and ends with status 0 on SIGTERM.
func TestTheReadmesProgram(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, code, found := strings.Cut(string(text), "```go\npackage main")
	require.True(t, found)
	code, _, _ = strings.Cut("package main"+code, "```")
	url := rabbitmqtest.Start(t).URL()
	require.Contains(t, code, `"amqp://guest:guest@localhost:5672/"`)
	code = strings.Replace(code, "amqp://guest:guest@localhost:5672/", url, 1)
	folder := t.TempDir()
	source, program := filepath.Join(folder, "main.go"), filepath.Join(folder, "worker")
	require.NoError(t, os.WriteFile(source, []byte(code), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput()
	require.NoError(t, err, "%s", out)

	worker := exec.CommandContext(t.Context(), program)
	stderr, err := worker.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, worker.Start())
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "service is consuming") {
		t.Log(lines.Text())
	}
	b := open(t, url)
	for _, body := range []string{`{"To": "anna"}`, `no mail`} {
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{Body: []byte(body)}))
	}
	require.Eventually(t, func() bool {
		waiting, err := b.Ready(t.Context(), "mail")
		require.NoError(t, err)
		parked, err := b.Ready(t.Context(), "mail_parked")
		require.NoError(t, err)
		return waiting == 0 && parked == 1
	}, minute, patience)
	require.NoError(t, b.Close(t.Context()))
	require.NoError(t, worker.Process.Signal(syscall.SIGTERM))
	for lines.Scan() {
		t.Log(lines.Text())
	}
	require.NoError(t, worker.Wait())
}
