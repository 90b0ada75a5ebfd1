package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	rabbitmqtest.Main(m)
}

// patience bounds every wait.
const patience = 30 * time.Second

// parkedQueue holds parked messages of the exchange mail.
const parkedQueue = "mail_parked"

func topology() broker.Topology {
	return broker.Topology{
		Exchanges: []broker.Exchange{{Name: "mail", Kind: broker.Direct}},
		Queues:    []broker.Queue{{Name: "mail"}, {Name: parkedQueue}},
		Bindings:  []broker.Binding{{Exchange: "mail", Queue: "mail", RoutingKey: "mail"}},
	}
}

// fromMail allows the exchange that the tests' messages came from.
var fromMail = replay.ToOrigin(processor.Destination{Exchange: "mail"})

// open returns an embedded broker with the queues.
func open(tb testing.TB) *memory.Broker {
	tb.Helper()
	b := memory.New()
	tb.Cleanup(func() { _ = b.Close(context.Background()) })
	require.NoError(tb, b.Declare(tb.Context(), topology()))
	return b
}

// headers are the headers of a parked message.
func headers(more processor.Headers) processor.Headers {
	h := processor.Headers{
		"warren-original-exchange": "mail", "warren-original-routing-key": "mail",
		"warren-first-failed-at": "2026-01-02T11:00:00Z", "warren-failed-at": "2026-01-02T12:00:00Z",
		"warren-error": "550 no such user", "warren-error-type": "*smtp.Error",
		"warren-failures": int64(4), "warren-host": "worker-1", "warren-stack": "goroutine 1",
		"swarrot_retry_attempts": int64(3), "warren-backoffs": int64(2), "warren-delay-7": true,
	}
	for name, value := range more {
		if h[name] = value; value == nil {
			delete(h, name)
		}
	}
	return h
}

// park publishes messages to the parked queue, with ids from 0 on.
func park(tb testing.TB, b broker.Broker, queue string, n int, more processor.Headers) {
	tb.Helper()
	for i := range n {
		put(tb, b, queue, processor.Envelope{
			Body: fmt.Appendf(nil, "m%d", i), Headers: headers(more), Properties: processor.Properties{ID: fmt.Sprint(i)},
		})
	}
}

func put(tb testing.TB, b broker.Broker, queue string, e processor.Envelope) {
	tb.Helper()
	require.NoError(tb, b.Publisher().Publish(tb.Context(), processor.Destination{RoutingKey: queue}, e))
}

// ready is how many messages a queue has.
func ready(tb testing.TB, b broker.Counter, queue string) int {
	tb.Helper()
	n, err := b.Ready(tb.Context(), queue)
	require.NoError(tb, err)
	return n
}

// drain takes n messages out of a queue, and checks that there are no more.
func drain(tb testing.TB, b replay.Broker, queue string, n int) []processor.Message {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	sub, err := b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 100})
	require.NoError(tb, err)
	messages := make([]processor.Message, n)
	for i := range messages {
		messages[i], err = sub.Receive(ctx)
		require.NoError(tb, err)
		require.NoError(tb, messages[i].Ack())
	}
	require.NoError(tb, sub.Close(ctx))
	require.Zero(tb, ready(tb, b, queue))
	return messages
}

// ids drains a queue and returns the ids of its messages.
func ids(tb testing.TB, b replay.Broker, queue string, n int) []string {
	tb.Helper()
	all := make([]string, n)
	for i, m := range drain(tb, b, queue, n) {
		all[i] = m.Properties().ID
	}
	return all
}

// even is a filter.
func even(msg processor.Message) bool {
	id := msg.Properties().ID
	return (id[len(id)-1]-'0')%2 == 0
}
