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

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer/service"
	"github.com/gowarren/warren/internal/rabbitmqtest"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

const output = `   0ms  rent    not paid yet, again in 100ms
   0ms  books   the bank is busy, again in 50ms
   0ms  salary  due later, again in 400ms
   0ms  gift    never paid, again in 100ms
   0ms  typo    there is no such account, parked
  50ms  books   the bank is busy, again in 50ms
 100ms  rent    not paid yet, again in 200ms
 100ms  gift    never paid, again in 200ms
 100ms  books   the bank is busy, again in 50ms
 150ms  books   the bank is busy, again in 50ms
 200ms  books   the bank is busy, again in 50ms
 250ms  books   the bank is busy, again in 50ms
 300ms  rent    paid
 300ms  gift    never paid, again in 500ms
 300ms  books   paid
 500ms  salary  paid
 800ms  gift    never paid, again in 500ms
1300ms  gift    backoff: expired after 4 retries in 1.3s: never paid, parked
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

// The same happens to each payment; when is up to the machine.
func TestOnRabbitMQ(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, example.Start(t.Context(), rabbitmqtest.Shared(t).URL(), &out))
	for _, payment := range []string{"rent", "books", "salary", "gift", "typo"} {
		require.Equal(t, life(output, payment), life(out.String(), payment))
	}
}

// life is what happened to a payment, without the times.
func life(output, payment string) []string {
	var lines []string
	for line := range strings.Lines(output) {
		_, what, _ := strings.Cut(line, "ms  ")
		what, _, _ = strings.Cut(what, " in ")
		if strings.HasPrefix(what, payment) {
			lines = append(lines, strings.TrimSpace(what))
		}
	}
	return lines
}

func Example_plan() {
	_ = example.Show(os.Stdout)
	// Output:
	// queue     payments                        default type
	// queue     payments.delay.v1.quorum.50ms   quorum        TTL 50ms, dead letters to the default exchange with key payments, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
	// queue     payments.delay.v1.quorum.100ms  quorum        TTL 100ms, dead letters to the default exchange with key payments, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
	// queue     payments.delay.v1.quorum.200ms  quorum        TTL 200ms, dead letters to the default exchange with key payments, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
	// queue     payments.delay.v1.quorum.500ms  quorum        TTL 500ms, dead letters to the default exchange with key payments, overflow reject-publish, delivery limit never reached, x-dead-letter-strategy="at-least-once"
	// queue     payments_parked                 default type
	//
	// binding   (default)  -> each queue  key: its name
	//
	// owned     queues whose names begin with payments.delay.v1.
}
