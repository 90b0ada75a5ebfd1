package rabbitmq_test

import (
	"math"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/verify"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// forgedReplyTo is a direct reply's address of a node that is in no cluster.
const forgedReplyTo = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA3Nzc3Nzc3NwAAAnYAAAAAaw4JnA==.brP12fbml9o1XQ6J+sdnqg=="

// RabbitMQ, or the client, would close a connection over each of these, for all that use it.
func TestWhatCannotBeSentIsRefusedByName(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	for kind, s := range map[string]string{"not UTF-8": "a\xffb", "too long": strings.Repeat("l", 256)} {
		for what, try := range map[string]func() error{
			"subscribe": func() error { return subscribing(t, b, s, broker.ConsumerOptions{}) },
			"the consumer's tag": func() error {
				return subscribing(t, b, queue, broker.ConsumerOptions{Tag: s})
			},
			"count":            func() error { _, err := b.Ready(within(t), s); return err },
			"publish":          func() error { return b.Publisher().Publish(within(t), processor.Destination{Exchange: s}, text("1")) },
			"verify a queue":   func() error { return verifying(t, b, broker.Topology{Queues: []broker.Queue{{Name: s}}}) },
			"declare":          func() error { return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: s}}}) },
			"declare it again": func() error { return b.Redeclare(within(t), broker.Topology{Queues: []broker.Queue{{Name: s}}}) },
			"exchange": func() error {
				return b.Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: s, Kind: broker.Topic}}})
			},
			"exchange's kind": func() error {
				return b.Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: name(t), Kind: broker.Kind("x-" + s)}}})
			},
			"alternate": func() error {
				return b.Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: name(t), Kind: broker.Topic, Alternate: s}}})
			},
			"alternate by hand": func() error {
				return b.Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: name(t), Kind: broker.Topic, Arguments: processor.Headers{"alternate-exchange": s}}}})
			},
			"binding's key": func() error {
				return b.Declare(within(t), broker.Topology{Bindings: []broker.Binding{{Exchange: "amq.topic", Queue: queue, RoutingKey: s}}})
			},
			"bound exchange": func() error {
				return b.Declare(within(t), broker.Topology{Bindings: []broker.Binding{{Exchange: s, Queue: queue}}})
			},
			"bound queue": func() error {
				return b.Declare(within(t), broker.Topology{Bindings: []broker.Binding{{Exchange: "amq.topic", Queue: s}}})
			},
			"dead-letter exchange": func() error {
				return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), DeadLetter: &broker.DeadLetter{Exchange: s}}}})
			},
			"dead-letter key": func() error {
				return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), DeadLetter: &broker.DeadLetter{RoutingKey: s}}}})
			},
			"dead-letter key by hand": func() error {
				return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), Arguments: processor.Headers{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": s}}}})
			},
			"dead-letter exchange by hand": func() error {
				return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: name(t), Arguments: processor.Headers{"x-dead-letter-exchange": s}}}})
			},
		} {
			staysConnected(t, b, what+": "+kind, try)
		}
	}
	for what, arguments := range map[string]processor.Headers{
		"a long name": {strings.Repeat("l", 256): 1}, "NaN": {"x": math.NaN()}, "a struct": {"x": struct{}{}},
		"a large number": {"x": uint64(math.MaxUint64)}, "credit": {"x-credit": "5"}, "no filters": {"x-stream-filter": []any{}},
		"a number for a filter": {"x-stream-filter": []any{5}},
	} {
		staysConnected(t, b, "a consumer's argument: "+what, func() error {
			return subscribing(t, b, queue, broker.ConsumerOptions{Arguments: arguments})
		})
	}
	for what, q := range map[string]broker.Queue{
		"max age": {Name: name(t), Arguments: processor.Headers{"x-queue-type": "stream", "x-max-age": "a week"}},
		"no age":  {Name: name(t), Arguments: processor.Headers{"x-queue-type": "stream", "x-max-age": ""}},
	} {
		staysConnected(t, b, what, func() error { return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{q}}) })
	}
	stream := declareQueue(t, url, amqp.Table{"x-queue-type": "stream"})
	for _, offset := range []string{"", "yesterday", "\xff", "5 D", "-1h"} {
		staysConnected(t, b, "offset "+offset, func() error { return subscribing(t, b, stream, broker.ConsumerOptions{Offset: offset}) })
	}
	require.NoError(t, subscribing(t, b, stream, broker.ConsumerOptions{Offset: "5D"}))
	staysConnected(t, b, "no queue", func() error { return subscribing(t, b, "", broker.ConsumerOptions{}) })
	address := forgedReplyTo
	staysConnected(t, b, "count a reply address", func() error { _, err := b.Ready(within(t), address); return err })
	staysConnected(t, b, "consume from a reply address", func() error { return subscribing(t, b, address, broker.ConsumerOptions{}) })
	since := b.Consuming().State().Since
	forged := broker.Topology{Queues: []broker.Queue{{Name: name(t), DeadLetter: &broker.DeadLetter{RoutingKey: address}}}}
	require.NoError(t, b.Declare(within(t), forged))
	_, err := verify.Topology(within(t), b, forged)
	require.NoError(t, err)
	require.Equal(t, since, b.Consuming().State().Since)
}

// What cannot be bound can be sent: a sender's reply-to, or the key of a copy, may be anything.
func TestARoutingKeyMayBeAnything(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b, queue := open(t, url), name(t)
	x := name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: x, Kind: broker.Topic}}, Queues: []broker.Queue{{Name: queue}},
		Bindings: []broker.Binding{{Exchange: x, Queue: queue, RoutingKey: "#"}},
	}))
	since := b.Publishing().State().Since
	for _, key := range []string{"a\xffb", "a\x00b", "a\nb", strings.Repeat("l", 255)} {
		require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x, RoutingKey: key}, text(key)))
		require.ErrorIs(t, b.Publisher().Publish(within(t), to(key), text(key)), processor.ErrUnroutable)
	}
	require.Equal(t, since, b.Publishing().State().Since)
	ready(t, b, queue, 4)
}

func staysConnected(t *testing.T, b *rabbitmq.Broker, what string, try func() error) {
	t.Helper()
	publishing, consuming := b.Publishing().State().Since, b.Consuming().State().Since
	require.Error(t, try(), what)
	require.NoError(t, b.Publishing().Ready(), what)
	require.NoError(t, b.Consuming().Ready(), what)
	require.Equal(t, publishing, b.Publishing().State().Since, "%s: the publishing connection was lost", what)
	require.Equal(t, consuming, b.Consuming().State().Since, "%s: the consuming connection was lost", what)
}

func subscribing(t *testing.T, b *rabbitmq.Broker, queue string, o broker.ConsumerOptions) error {
	t.Helper()
	sub, err := b.Source(queue).Subscribe(within(t), broker.SubscribeOptions{Prefetch: 1, Consumer: o})
	if err == nil {
		require.NoError(t, sub.Close(within(t)))
	}
	return err
}

func verifying(t *testing.T, b *rabbitmq.Broker, topology broker.Topology) error {
	t.Helper()
	_, err := verify.Topology(within(t), b, topology)
	return err
}

// RabbitMQ 3.10 closes the connection over it, 4.0 and 4.3 the channel.
func TestAnExchangeOfAPluginThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	q := name(t)
	err := b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: name(t), Kind: "x-nowhere"}}, Queues: []broker.Queue{{Name: q}},
	})
	require.ErrorContains(t, err, "unknown exchange type 'x-nowhere'")
	require.Eventually(t, func() bool { // 3.10 has closed the connection, which may not be noticed yet
		return b.Declare(within(t), broker.Topology{Queues: []broker.Queue{{Name: q}}}) == nil
	}, patience, time.Millisecond, "it is not tried again")
	require.NoError(t, b.Publisher().Publish(within(t), to(q), text("1")))
}

// RabbitMQ 3.10 closes the connection over it, with an error that each channel of the connection gets.
func TestADeclarationThatClosesTheConnectionEndsNoSubscription(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL(),
		rabbitmq.Failover(failover.Backoff(time.Millisecond, 10*time.Millisecond), failover.StableAfter(0)))
	var queues []string
	var subs []broker.Subscription
	for range 10 {
		queues = append(queues, declareQueue(t, rabbitmqtest.Shared(t).URL(), nil))
		subs = append(subs, subscribe(t, b, queues[len(queues)-1], 1))
	}
	for range 20 {
		require.Error(t, b.Declare(within(t), broker.Topology{Exchanges: []broker.Exchange{{Name: name(t), Kind: "x-nowhere"}}}))
	}
	for i, queue := range queues {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(queue)))
		msg := receive(t, subs[i])
		require.Equal(t, queue, string(msg.Body()))
	}
}
