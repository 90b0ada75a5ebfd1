package main

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
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

const output = `fault: nothing is ordered
mail to Ann: a cup is on its way
mail to Ann: tea is on its way
mail to Cid: a lamp is on its way
`

// sorted are the lines, whose order is not promised.
func sorted(output string) string {
	lines := slices.Sorted(strings.Lines(output))
	return strings.Join(lines, "")
}

func TestOnTheEmbeddedBroker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		var out bytes.Buffer
		require.NoError(t, example.On(t.Context(), b, &out, service.Signals()))
		require.Equal(t, output, sorted(out.String()))
	})
}

func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, example.Start(t.Context(), rabbitmqtest.Shared(t).URL(), &out))
	require.Equal(t, output, sorted(out.String()))
}
