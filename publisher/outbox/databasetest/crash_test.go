package databasetest_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/publisher/outbox"
)

// connect returns a broker on real RabbitMQ, with a queue of the test's own.
func connect(tb testing.TB) (b *rabbitmq.Broker, url string, to processor.Destination) {
	tb.Helper()
	url = rabbitmqtest.Shared(tb).URL()
	b, err := rabbitmq.Open(tb.Context(), []string{url})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, b.Close(context.WithoutCancel(tb.Context()))) })
	to = processor.Destination{RoutingKey: strings.ReplaceAll(tb.Name(), "/", "_")}
	require.NoError(tb, b.Declare(tb.Context(), broker.Topology{Queues: []broker.Queue{{Name: to.RoutingKey}}}))
	return b, url, to
}

// received is a message that came.
type received struct{ id, text string }

// receive takes messages until enough says so.
func receive(t *testing.T, b *rabbitmq.Broker, queue string, enough func(all []received) bool) []received {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	sub, err := b.Source(queue).Subscribe(ctx, broker.SubscribeOptions{Prefetch: 2000})
	require.NoError(t, err)
	defer func() { require.NoError(t, sub.Close(context.WithoutCancel(ctx))) }()
	var all []received
	for !enough(all) {
		msg, err := sub.Receive(ctx)
		require.NoError(t, err, "%d have come", len(all))
		all = append(all, received{msg.Properties().ID, string(msg.Body())})
		require.NoError(t, msg.Ack())
	}
	return all
}

// The process dies at each point where something is between two systems.
func TestNothingIsLostWhereverTheProcessDies(t *testing.T) {
	t.Parallel()
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t, k)
			b, url, to := connect(t)
			child := task{Kind: name, DSN: d.dsn, URL: url, To: to}

			writer := child
			writer.Write, writer.Die = "never", "inserted"
			writer.run(t)
			require.Zero(t, d.count(t, "warren_outbox"), "nothing is sent that was not committed")

			writer.Write, writer.Die = "once", "committed"
			writer.run(t)
			require.Equal(t, 1, d.count(t, "warren_outbox"))

			relay := child
			relay.Die = "claimed"
			relay.run(t)
			require.Equal(t, 1, d.count(t, "warren_outbox"))
			require.Zero(t, must.Have(b.Ready(t.Context(), to.RoutingKey)))

			relay.Die = "confirmed"
			relay.run(t)
			require.Equal(t, 1, d.count(t, "warren_outbox"))
			require.Equal(t, 1, must.Have(b.Ready(t.Context(), to.RoutingKey)))

			r, _ := d.relay(t, b.Publisher(), outbox.Poll(20*time.Millisecond))
			isEmpty(t, r)
			all := receive(t, b, to.RoutingKey, func(all []received) bool { return len(all) == 2 })
			require.Equal(t, "once", all[0].text)
			require.NotEmpty(t, all[0].id)
			require.Equal(t, all[0], all[1], "an inbox sees that they are the same")
			require.Zero(t, must.Have(b.Ready(t.Context(), to.RoutingKey)))
		})
	}
}

// key is the part of a text before the point; a text without one has no key.
func key(_ processor.Destination, e processor.Envelope) string {
	key, _, ordered := strings.Cut(string(e.Body), ".")
	if !ordered {
		return ""
	}
	return key
}

func TestTwoRelaysOneOfWhichIsKilledAgainAndAgain(t *testing.T) {
	for name, messages := range map[string]int{"postgres": 50_000, "mariadb": 10_000, "sqlite": 5_000} {
		t.Run(name, func(t *testing.T) {
			d := newDatabase(t, kinds[name])
			b, url, to := connect(t)
			p := must.Have(outbox.New(d.dialect, outbox.OrderBy(key)))
			const keys = 100
			for i := 0; i < messages; i += 1000 {
				var texts []string
				for n := i; n < i+1000; n++ {
					text := strconv.Itoa(n)
					if n%2 == 0 {
						text = fmt.Sprintf("%d.%d", n/2%keys, n)
					}
					texts = append(texts, text)
				}
				d.write(t, p, to, texts...)
			}
			began := time.Now()
			end := task{Kind: name, DSN: d.dsn, URL: url, To: to}.relays(t)
			ids := map[string]string{}
			latest := map[string]int{}
			seen := 0
			all := receive(t, b, to.RoutingKey, func(all []received) bool {
				for ; seen < len(all); seen++ {
					text := all[seen].text
					if id, again := ids[text]; again {
						require.Equal(t, id, all[seen].id, "a duplicate has the same id")
						continue
					}
					ids[text] = all[seen].id
					if key, number, ordered := strings.Cut(text, "."); ordered {
						n := must.Have(strconv.Atoi(number))
						require.Greater(t, n, latest[key]-1, "key %s", key)
						latest[key] = n
					}
				}
				return len(ids) == messages
			})
			took := time.Since(began)
			r := must.Have(outbox.NewRelay(d.DB, d.dialect, b.Publisher()))
			isEmpty(t, r)
			end()
			t.Logf("%s: %d messages in %v, %d of them came twice", name, messages, took, len(all)-messages)
		})
	}
}
