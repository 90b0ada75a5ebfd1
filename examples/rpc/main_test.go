package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

const output = `sum      [20 22] = 42 after 0s
slow sum [20 22] = 42 after 400ms
never    []      Expired after 400ms
divide   [1 0]   Panic after 0s
product  [6 7]   MethodNotFound after 0s
`

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		var out bytes.Buffer
		require.NoError(t, example.On(t.Context(), b, &out, service.Signals()))
		require.Equal(t, output, out.String())
	})
}

// The calls end in the same way; when is up to the machine.
func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, example.Start(t.Context(), rabbitmqtest.Shared(t).URL(), &out))
	require.Equal(t, ends(output), ends(out.String()))
}

// ends is how each call ended, without the times.
func ends(output string) []string {
	var all []string
	for line := range strings.Lines(output) {
		how, _, _ := strings.Cut(line, " after ")
		all = append(all, how)
	}
	return all
}
