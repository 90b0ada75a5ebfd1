package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

const messages = 2000

// Killed at any point and started again, every message is in one of the two queues, and at
// the end in the right one.
func TestKilledAndStartedAgainNothingIsLost(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	b := openBroker(t, url)

	for _, moved := range []int{100, 300} {
		cmd, _ := start(t, url)
		require.Eventually(t, func() bool { return ready(t, b, "mail") >= moved }, 30*time.Second, time.Millisecond)
		require.NoError(t, cmd.Process.Kill())
		require.Error(t, cmd.Wait())
		require.Less(t, ready(t, b, "mail"), messages/2, "the kill came in the middle of the work")
	}
	cmd, out := start(t, url)
	require.NoError(t, cmd.Wait(), out.String())
	require.Contains(t, out.String(), fmt.Sprintf("left=%d failed=0\n", messages/2))
	require.NotContains(t, out.String(), "guest:guest")
	check(t, b)
}

// When interrupted, it finishes the messages in flight: nothing is lost, and nothing doubled.
func TestInterruptedNothingIsDoubled(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	b := openBroker(t, url)

	cmd, out := start(t, url)
	require.Eventually(t, func() bool { return ready(t, b, "mail") >= 100 }, 30*time.Second, time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Contains(t, out.String(), "replay: seen=")
	require.Less(t, ready(t, b, "mail"), messages/2)
	cmd, out = start(t, url)
	require.NoError(t, cmd.Wait(), out.String())
	require.Equal(t, messages/2, ready(t, b, "mail"))
	check(t, b)
}

// start runs the example as a program of its own.
func start(t *testing.T, url string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-queue", "mail_parked", "-allow", "mail", "-match", "timeout", "-rate", "1000")
	cmd.Env = append(os.Environ(), "WARREN_REPLAY_EXAMPLE=1", "AMQP_URL="+url)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	return cmd, &out
}

// openBroker returns a broker with messages, every other of which should be moved.
func openBroker(t *testing.T, url string) *rabbitmq.Broker {
	t.Helper()
	b, err := rabbitmq.Open(t.Context(), []string{url}, rabbitmq.Logger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_ = b.Close(ctx)
	})
	all := make([]processor.Envelope, messages)
	for i := range all {
		all[i] = parked("mail", "new", []string{"timeout", "550 no such user"}[i%2])
		all[i].ID = fmt.Sprint(i)
	}
	require.NoError(t, fill(t.Context(), b, all...))
	return b
}

// check looks for every message in its queue, and for no more doubles than kills explain.
func check(t *testing.T, b *rabbitmq.Broker) {
	t.Helper()
	for queue, first := range map[string]int{"mail": 0, "mail_parked": 1} {
		require.Eventually(t, func() bool { return ready(t, b, queue) >= messages/2 }, 30*time.Second, 10*time.Millisecond)
		n := ready(t, b, queue)
		require.LessOrEqual(t, n, messages/2+200)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		sub, err := b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: n})
		require.NoError(t, err)
		found := map[string]bool{}
		for range n {
			msg, err := sub.Receive(ctx)
			require.NoError(t, err)
			found[msg.Properties().ID] = true
		}
		require.Len(t, found, messages/2)
		for i := first; i < messages; i += 2 {
			require.True(t, found[fmt.Sprint(i)], "message %d", i)
		}
		require.NoError(t, sub.Close(ctx))
	}
}

func ready(t *testing.T, b broker.Counter, queue string) int {
	t.Helper()
	n, err := b.Ready(t.Context(), queue)
	require.NoError(t, err)
	return n
}
