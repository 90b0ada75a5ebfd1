package main

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

const output = `bill: the printer is out of paper; it is rolled back, and the order comes again
database: 2 orders, 2 bills
mail: we bill you for a lamp
mail: we bill you for tea
order of a castle: rolled back, and its message with it
order of a lamp: committed, and its message with it
order of tea: committed, and its message with it
outbox: 2 messages wait for the relay
`

// sorted are the lines, whose order is not promised.
func sorted(output string) string { return strings.Join(slices.Sorted(strings.Lines(output)), "") }

func TestOnTheEmbeddedBroker(t *testing.T) {
	b := memory.New()
	defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
	var out bytes.Buffer
	require.NoError(t, example.On(t.Context(), b, &out))
	require.Equal(t, output, sorted(out.String()))
}

func TestOnRabbitMQ(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, example.Start(t.Context(), rabbitmqtest.Shared(t).URL(), &out))
	require.Equal(t, output, sorted(out.String()))
}
