package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
)

const lost = "warren.delay.v1.quorum.100ms.lost"

// The operator's guide about the lost queue, word for word. It once moved messages of other
// services into the queue mail.
func TestTheLostQueueOfALadderAsTheGuideSays(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Start(t).URL()
	b, err := rabbitmq.Open(t.Context(), []string{url})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	for _, service := range []string{"mail", "sms"} {
		lose(t, b, service)
	}
	require.Eventually(t, func() bool { return ready(t, b, lost) == 2 }, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, b.Declare(t.Context(), serviceTopology(t, "mail")))
	require.NoError(t, b.Declare(t.Context(), serviceTopology(t, "sms")))

	commands := guide(t, url)
	require.Len(t, commands, 2)
	require.Equal(t, `Dry run: nothing is moved.
      1 moved to queue "mail" (default exchange)
      1 moved to queue "sms" (default exchange)
replay: seen=2 moved=2 left=0 failed=0
`, command(t, commands[0]))
	require.Equal(t, `      1 left: "the message may not go to the place that it names: queue \"sms\""
      1 moved to queue "mail" (default exchange)
replay: seen=2 moved=1 left=1 failed=0
`, command(t, commands[1]))

	require.Eventually(t, func() bool { return ready(t, b, lost) == 1 }, 30*time.Second, 10*time.Millisecond)
	require.Zero(t, ready(t, b, "sms"))
	sub, err := b.Source("mail").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
	require.NoError(t, err)
	msg, err := sub.Receive(t.Context())
	require.NoError(t, err)
	require.NoError(t, msg.Ack())
	require.NoError(t, sub.Close(t.Context()))
	h := msg.Headers()
	delete(h, "warren-first-failed-at")
	require.Equal(t, processor.Headers{
		"warren-backoffs": int64(1), "warren-original-exchange": "events", "warren-original-routing-key": "mail.new",
		"warren-original-queue": "mail",
	}, h, "as if nothing had happened")
}

var (
	errDown = errors.New("the provider is down")
	options = []backoff.Option{backoff.Strategy(delay.Ladder()), backoff.Schedule(backoff.Fixed(100 * time.Millisecond)), backoff.Jitter(0)}
)

func serviceTopology(t *testing.T, service string) broker.Topology {
	t.Helper()
	topology, err := backoff.Topology(broker.Queue{Name: service}, options...)
	require.NoError(t, err)
	return topology
}

// lose makes a service's message leave the ladder while its work queue is gone.
func lose(t *testing.T, b broker.Broker, service string) {
	t.Helper()
	topology := serviceTopology(t, service)
	topology.Queues = slices.DeleteFunc(topology.Queues, func(q broker.Queue) bool { return q.Name == service })
	topology.Bindings = slices.DeleteFunc(topology.Bindings, func(b broker.Binding) bool { return b.Queue == service })
	require.NoError(t, b.Declare(t.Context(), topology))
	p, err := stack.New(backoff.New(b.Publisher(), service, options...)).
		ThenFunc(func(context.Context, processor.Message) error { return errDown })
	require.NoError(t, err)
	require.NoError(t, p.Process(t.Context(), processortest.NewMessage(
		processortest.Origin(processor.Origin{Queue: service, Exchange: "events", RoutingKey: service + ".new"}))))
}

// guide returns the arguments of the commands in the guide's section about lost queues.
func guide(t *testing.T, url string) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "\n## The lost queue of a ladder\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var commands [][]string
	for line := range strings.Lines(section) {
		if args, ok := strings.CutPrefix(line, "    go run github.com/gowarren/warren/examples/replay "); ok {
			commands = append(commands, strings.Fields(strings.ReplaceAll(args, `"$AMQP_URL"`, url)))
		}
	}
	return commands
}

// command runs the example and returns what it prints.
func command(t *testing.T, args []string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(t.Context(), args, "", &stdout, &stderr, false), stderr.String())
	return stdout.String()
}
