package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

const output = `   0ms  Ann  sent at try 1
   0ms  Bob  the door is closed
   0ms  Cid  the door is closed
   0ms  Dot  unknown at this address
   0ms  Dot  parked after 1 failures: unknown at this address
 100ms  Bob  the door is closed
 100ms  Cid  the door is closed
 300ms  Bob  sent at try 3
 300ms  Cid  the door is closed
 550ms  Cid  the door is closed
 800ms  Cid  the door is closed
 800ms  Cid  parked after 5 failures: the door is closed
`

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		var out bytes.Buffer
		require.NoError(t, example.On(t.Context(), b, &out, service.Signals()))
		require.ElementsMatch(t, strings.Split(output, "\n"), strings.Split(out.String(), "\n"))
	})
}

// The same happens to each letter; when is up to the machine. RabbitMQ can do it from 4.3 on.
func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := example.Start(t.Context(), rabbitmqtest.Shared(t).URL(), &out)
	if !rabbitmqtest.Version(t).AtLeast(4, 3) {
		require.ErrorIs(t, err, broker.ErrUnsupported)
		return
	}
	require.NoError(t, err)
	for _, letter := range letters {
		require.Equal(t, life(output, letter), life(out.String(), letter))
	}
}

// life is what happened to a letter, without the times.
func life(output, letter string) []string {
	var lines []string
	for line := range strings.Lines(output) {
		_, what, _ := strings.Cut(line, "ms  ")
		if strings.HasPrefix(what, letter) {
			lines = append(lines, strings.TrimSpace(what))
		}
	}
	return lines
}

func Example_plan() {
	_ = example.Show(os.Stdout)
	// Output:
	// queue     letters         quorum  dead letters to the default exchange with key letters_parked, overflow reject-publish, delivery limit 14, failed messages wait 100ms to 250ms, x-dead-letter-strategy="at-least-once"
	// queue     letters_parked  quorum  delivery limit never reached
	//
	// binding   (default)  -> each queue  key: its name
}
