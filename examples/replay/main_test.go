package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// TestMain is the example itself when a test starts it as a program of its own.
func TestMain(m *testing.M) {
	if os.Getenv("WARREN_REPLAY_EXAMPLE") != "" {
		main()
		return
	}
	rabbitmqtest.Main(m)
}

func parked(exchange, key, reason string) processor.Envelope {
	return processor.Envelope{Headers: processor.Headers{
		"warren-original-exchange": exchange, "warren-original-routing-key": key,
		"warren-error": reason, "warren-error-type": "*smtp.Error",
	}}
}

// fill declares a work queue and a parked one, with messages.
func fill(ctx context.Context, b broker.Broker, messages ...processor.Envelope) error {
	if err := b.Declare(ctx, broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}},
		Queues:    []broker.Queue{{Name: "mail"}, {Name: "mail_parked"}},
		Bindings:  []broker.Binding{{Exchange: "mail", Queue: "mail", RoutingKey: "new"}},
	}); err != nil {
		return err
	}
	for _, m := range messages {
		if err := b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "mail_parked"}, m); err != nil {
			return err
		}
	}
	return nil
}

// replayed runs the example on the embedded broker.
func replayed(ctx context.Context, b *memory.Broker, args ...string) int {
	s, err := parse(append([]string{"-queue", "mail_parked"}, args...), "amqp://localhost", os.Stdout)
	if err != nil {
		fmt.Println(err)
		return 2
	}
	return work(ctx, b, s, os.Stdout, newProgress(os.Stdout, false))
}

func Example() {
	ctx := context.Background()
	b := memory.New()
	defer func() { _ = b.Close(ctx) }()
	if err := fill(
		ctx, b, parked("mail", "new", "read: timeout"), parked("mail", "new", "dial: timeout"), parked("mail", "old", "550 no such user"),
		parked("mail", "new", "550 no such user"), parked("money", "all", "timeout"), processor.Envelope{},
	); err != nil {
		fmt.Println(err)
	}
	fmt.Println(replayed(ctx, b, "-dry-run"))
	fmt.Println(replayed(ctx, b, "-allow", "mail", "-match", "timeout")) // published again
	fmt.Println(replayed(ctx, b, "-to", "/mail", "-error-type", "*smtp.Error", "-rate", "100", "-limit", "2"))
	// Output:
	// Dry run: nothing is moved.
	//       3 moved to exchange "mail" with key "new"
	//       1 left: "the message does not say where it came from: header warren-original-exchange is missing"
	//       1 moved to exchange "mail" with key "old"
	//       1 moved to exchange "money" with key "all"
	// replay: seen=6 moved=5 left=1 failed=0
	// 0
	//       3 left: not asked for
	//       2 moved to exchange "mail" with key "new"
	//       1 left: "the message may not go to the place that it names: exchange \"money\", key \"all\""
	// replay: seen=6 moved=2 left=4 failed=0
	// 0
	//       2 moved to queue "mail" (default exchange)
	// replay: seen=2 moved=2 left=0 failed=0
	// 0
}

// An event that two queues got is replayed to the one in which it failed, and without -allow a dry
// run says so.
func TestAnEventGoesBackToTheQueueThatItFailedIn(t *testing.T) {
	t.Parallel()
	b := memory.New()
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	event := parked("mail", "new", "timeout")
	event.Headers["warren-original-queue"] = "mail"
	require.NoError(t, fill(t.Context(), b, event))
	require.NoError(t, b.Declare(t.Context(), broker.Topology{
		Queues:   []broker.Queue{{Name: "billing"}},
		Bindings: []broker.Binding{{Exchange: "mail", Queue: "billing", RoutingKey: "new"}},
	}))
	for _, args := range [][]string{{"-dry-run"}, {"-allow", "/mail", "-allow", "mail"}} {
		s, err := parse(append([]string{"-queue", "mail_parked"}, args...), "amqp://localhost", nil)
		require.NoError(t, err)
		var stdout, stderr bytes.Buffer
		require.Zero(t, work(t.Context(), b, s, &stdout, newProgress(&stderr, false)))
		require.Contains(t, stdout.String(), `1 moved to queue "mail" (default exchange)`)
	}
	require.Equal(t, 1, ready(t, b, "mail"))
	require.Zero(t, ready(t, b, "billing"))
}

func TestWhatTheBrokerDoesNotTakeIsAFailure(t *testing.T) {
	t.Parallel()
	b := memory.New()
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	require.NoError(t, fill(t.Context(), b, parked("mail", "old", "timeout")))
	s, err := parse([]string{"-queue", "mail_parked", "-allow", "mail"}, "amqp://localhost", nil)
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	require.Equal(t, 1, work(t.Context(), b, s, &stdout, newProgress(&stderr, false)))
	require.Contains(t, stdout.String(), "1 failed: ")
	require.Contains(t, stdout.String(), "replay: seen=1 moved=0 left=0 failed=1\n")
}

func TestABarOnATerminal(t *testing.T) {
	t.Parallel()
	b := memory.New()
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	require.NoError(t, fill(t.Context(), b, parked("mail", "new", "timeout")))
	s, err := parse([]string{"-queue", "mail_parked", "-allow", "mail/new"}, "amqp://localhost", nil)
	require.NoError(t, err)
	var stdout, stderr bytes.Buffer
	require.Zero(t, work(t.Context(), b, s, &stdout, newProgress(&stderr, true)))
	require.Equal(t, "\r["+strings.Repeat("#", 30)+"] 1 of 1: 1 moved, 0 left, 0 failed\x1b[K\n", stderr.String())
}

func TestWrongCommandsAreRefused(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"no queue":           {"-allow", "mail"},
		"no place":           {"-queue", "q"},
		"both places":        {"-queue", "q", "-allow", "mail", "-to", "/mail"},
		"key and to":         {"-queue", "q", "-by-key", "-to", "/mail"},
		"key, no place":      {"-queue", "q", "-by-key"},
		"key, not a queue":   {"-queue", "q", "-by-key", "-allow", "mail"},
		"key of an exchange": {"-queue", "q", "-by-key", "-allow", "/mail", "-allow", "mail/new"},
		"slow":               {"-queue", "q", "-allow", "mail", "-rate", "0.01"},
		"limit":              {"-queue", "q", "-allow", "mail", "-limit", "0"},
		"no number":          {"-queue", "q", "-rate", "amqp://guest:geheim@localhost"},
		"unknown":            {"-queue", "q", "-amqp://guest:geheim@localhost"},
		"argument":           {"-queue", "q", "amqp://guest:geheim@localhost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			require.Equal(t, 2, run(t.Context(), args, "amqp://guest:geheim@localhost", &out, &out, false))
			require.NotContains(t, out.String(), "geheim")
			require.Contains(t, out.String(), "replay: ")
		})
	}
	var out bytes.Buffer
	require.Equal(t, 2, run(t.Context(), []string{"-queue", "q", "-to", "/mail"}, "", &out, &out, false))
	require.Zero(t, run(t.Context(), []string{"-h"}, "amqp://guest:geheim@localhost", &out, &out, false))
	require.Contains(t, out.String(), "-dry-run")
	require.NotContains(t, out.String(), "geheim")
}

func TestABrokerThatCannotBeReachedIsNamedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var out bytes.Buffer
	args := []string{"-queue", "q", "-to", "/mail", "-url", "amqp://guest:geheim@127.0.0.1:1/"}
	require.Equal(t, 1, run(ctx, args, "", &out, &out, false))
	require.Contains(t, out.String(), "127.0.0.1:1")
	require.NotContains(t, out.String(), "geheim")
}
