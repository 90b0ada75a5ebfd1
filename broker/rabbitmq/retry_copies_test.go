package rabbitmq_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/recovery"
	"github.com/gowarren/warren/processors/retry"
)

// republisher is a layer that retries once and parks, and how it differs from others.
type republisher struct {
	layer    processor.Middleware
	topology broker.Topology // with the work queue and the parked one
	wait     string          // the queue that a retry waits in
	to       processor.Destination
	headers  amqp.Table // of the retry's copy
	count    []string   // those of them that the parked copy has too
	says     string     // before the error, on the parked copy

	expiration string // of the retry's copy
}

func byKeys(t *testing.T, b *rabbitmq.Broker, work, parked string) republisher {
	t.Helper()
	opts := []retry.Option{retry.Delays(time.Hour), retry.ParkKey(parked), retry.Exchange(work + "-retry")}
	topology, err := retry.Topology(broker.Queue{Name: work}, work+"-%delay%", opts...)
	require.NoError(t, err)
	wait := work + "-1h"
	return republisher{
		layer: retry.New(b.Publisher(), work+"-%delay%", opts...), topology: topology, wait: wait,
		to:      processor.Destination{Exchange: work + "-retry", RoutingKey: wait},
		headers: amqp.Table{"swarrot_retry_attempts": int64(1)}, count: []string{"swarrot_retry_attempts"},
	}
}

func bySteps(t *testing.T, b *rabbitmq.Broker, work, parked string) republisher {
	t.Helper()
	wait := work + ".delay.v1.quorum.1h"
	return byDelays(t, b, work, parked, delay.Steps(), time.Hour, republisher{
		wait: wait, to: processor.Destination{RoutingKey: wait},
		headers: amqp.Table{"warren-backoffs": int64(1)}, count: []string{"warren-backoffs"},
	})
}

func byLadder(t *testing.T, b *rabbitmq.Broker, work, parked string) republisher {
	t.Helper()
	wait := "warren.delay.v1.quorum.30m.1" // no other test has this unit
	return byDelays(t, b, work, parked, delay.Ladder(delay.Unit(30*time.Minute), delay.Longest(time.Hour)), time.Hour, republisher{
		wait: wait, to: processor.Destination{Exchange: wait, RoutingKey: work},
		headers: amqp.Table{"warren-backoffs": int64(1), "warren-delay-1": true}, count: []string{"warren-backoffs"},
	})
}

func byPythonsDelays(t *testing.T, b *rabbitmq.Broker, work, parked string) republisher {
	t.Helper()
	const ms = 3_601_000 // no other test has this delay
	return byDelays(t, b, work, parked, delay.Compatible(b), ms*time.Millisecond, republisher{
		wait: "backoff--3601000ms", to: processor.Destination{Exchange: "backoff", RoutingKey: work}, expiration: "3601000",
		headers: amqp.Table{"warren-backoffs": int64(1), "backoff": int32(ms)}, count: []string{"warren-backoffs", "backoff"},
	})
}

func byDelays(t *testing.T, b *rabbitmq.Broker, work, parked string, s delay.Strategy, d time.Duration, r republisher) republisher {
	t.Helper()
	opts := []backoff.Option{
		backoff.Strategy(s), backoff.Schedule(backoff.Fixed(d)), backoff.Jitter(0), backoff.Retries(1),
		backoff.Park(processor.Destination{RoutingKey: parked}),
	}
	r.says = "backoff: expired after 1 retry in 0s: "
	var err error
	r.topology, err = backoff.Topology(broker.Queue{Name: work}, opts...)
	require.NoError(t, err)
	r.layer = backoff.New(b.Publisher(), work, opts...)
	return r
}

// everything is a message with each property and each kind of header, including those that would
// harm a copy.
func everything(work, elsewhere string) amqp.Publishing {
	return amqp.Publishing{
		Body: []byte("hello"), MessageId: "id", CorrelationId: "corr", ReplyTo: "reply", Type: "type", AppId: "app",
		UserId: "guest", ContentType: "text/plain", ContentEncoding: "utf-8", Priority: 3,
		Timestamp: time.Unix(1_700_000_000, 0).UTC(), DeliveryMode: amqp.Transient, Expiration: "60000",
		Headers: amqp.Table{
			"nothing": nil, "yes": true, "int8": int8(-8), "byte": byte(8), "int16": int16(16), "uint16": uint16(40_000), "int32": int32(32), "uint32": uint32(3e9), "int64": int64(1) << 62,
			"float32": float32(0.5), "float64": 1e300, "text": "日本", "bytes": []byte{0, 255}, "time": time.Unix(1, 0).UTC(),
			"decimal": amqp.Decimal{Scale: 2, Value: 314}, "nested": amqp.Table{"list": []any{int8(1), "two", amqp.Table{"x-death": "mine"}}},
			"x-filename": "a.txt",

			"CC": []any{elsewhere}, "BCC": []any{elsewhere},
			"x-death":                []any{amqp.Table{"queue": work, "reason": "expired", "count": int64(1_000_000), "exchange": "x"}},
			"x-first-death-exchange": "x", "x-first-death-queue": work, "x-first-death-reason": "expired",
			"x-last-death-exchange": "x", "x-last-death-queue": work, "x-last-death-reason": "expired",
			"x-delivery-count": int64(7), "x-acquired-count": int64(7),
			"warren-delay-0": true, "warren-delay-29": true,
			"warren-original-exchange": "forged", "warren-original-routing-key": "forged", "warren-first-failed-at": "forged",
			"warren-original-expiration": "forged", "warren-original-user-id": "forged",
			"warren-error": "the application's, until there is one",
		},
	}
}

// kept are the headers of everything that a copy keeps.
func kept(sent amqp.Publishing, more ...amqp.Table) amqp.Table {
	h := amqp.Table{}
	for _, name := range []string{
		"nothing", "yes", "int8", "byte", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64", "text", "bytes", "time",
		"decimal", "nested", "x-filename", "warren-error",
	} {
		h[name] = sent.Headers[name]
	}
	for _, table := range more {
		maps.Copy(h, table)
	}
	return h
}

// Every copy as it is on the wire: docs/semantics.md has the table.
func TestWhatCopiesAreOnTheWire(t *testing.T) {
	t.Parallel()
	for kind, with := range map[string]func(t *testing.T, b *rabbitmq.Broker, work, parked string) republisher{
		"retry": byKeys, "backoff, steps": bySteps, "backoff, ladder": byLadder, "backoff, compatible": byPythonsDelays,
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			url := rabbitmqtest.Shared(t).URL()
			b, ch := open(t, url), raw(t, url)
			work, parked, elsewhere := name(t), name(t), name(t)
			r := with(t, b, work, parked)
			require.NoError(t, b.Declare(within(t), r.topology.Merge(broker.Topology{
				Exchanges: []broker.Exchange{{Name: work + "-in", Kind: broker.Topic}},
				Queues:    []broker.Queue{{Name: elsewhere}},
				Bindings: []broker.Binding{
					{Exchange: work + "-in", Queue: work, RoutingKey: "mail.*"},
					{Exchange: work + "-in", Queue: elsewhere, RoutingKey: elsewhere},
				},
			})))
			origins := run(t, b, work, r.layer)

			sent := everything(work, elsewhere)
			require.NoError(t, ch.Publish(work+"-in", "mail.welcome", true, false, sent))
			want := amqp.Delivery{
				Body: sent.Body, MessageId: "id", CorrelationId: "corr", ReplyTo: "reply", Type: "type", AppId: "app",
				ContentType: "text/plain", ContentEncoding: "utf-8", Priority: 3, Timestamp: sent.Timestamp,
				DeliveryMode: amqp.Persistent, Exchange: r.to.Exchange, RoutingKey: r.to.RoutingKey,
			}
			all := amqp.Table{
				"warren-original-exchange": work + "-in", "warren-original-routing-key": "mail.welcome", "warren-original-queue": work,
				"warren-original-expiration": "60000", "warren-original-user-id": "guest", "warren-first-failed-at": "now",
			}
			want.Headers, want.Expiration = kept(sent, all, r.headers), r.expiration
			if kind != "backoff, compatible" {
				want.Headers["warren-original-priority"] = int64(3)
				if v := rabbitmqtest.Version(t); v.AtLeast(4, 0) && !v.AtLeast(4, 3) {
					want.Priority = 0 // it would hold up the others while it waits
				}
			}
			ready(t, b, r.wait, 1) // one of Python's is not there before
			got := get(t, ch, r.wait, false)
			require.Equal(t, want, atRest(t, got))

			// As if its time were up: the broker takes it to the work queue, and adds x-death.
			require.NoError(t, got.Nack(false, false))
			host, err := os.Hostname()
			require.NoError(t, err)
			want.Exchange, want.RoutingKey, want.Priority = "", parked, 3
			if r.to.Exchange == work+"-retry" {
				want.Exchange = r.to.Exchange
			}
			want.Expiration = ""
			want.Headers = kept(sent, all, amqp.Table{
				"warren-error": r.says + "mail server says no", "warren-error-type": "*errors.errorString",
				"warren-failed-at": "now", "warren-failures": int64(2), "warren-host": host,
			})
			for _, name := range r.count {
				want.Headers[name] = r.headers[name]
			}
			require.Equal(t, want, atRest(t, take(t, ch, parked)))

			first := processor.Origin{Queue: work, Exchange: work + "-in", RoutingKey: "mail.welcome"}
			require.Equal(t, first, <-origins)
			require.Equal(t, first, <-origins, "after the retry, too")
			ready(t, b, r.wait, 0)
			ready(t, b, elsewhere, 1) // from the sender, and no copy
		})
	}
}

// run consumes a queue with a layer around a handler that fails, and returns the origin of each
// message.
func run(t *testing.T, b *rabbitmq.Broker, work string, layer processor.Middleware) <-chan processor.Origin {
	t.Helper()
	origins := make(chan processor.Origin, 10)
	p, err := stack.New(ack.New(), layer, recovery.New()).ThenFunc(func(_ context.Context, msg processor.Message) error {
		origins <- retry.FirstOrigin(msg)
		return errors.New("mail server says no")
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- must.Have(consumer.New(b.Source(work), p, consumer.Logger(slog.New(slog.DiscardHandler)))).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return origins
}

// took is how long the one retry took, which depends on the machine.
var took = regexp.MustCompile(`1 retry in [0-9.m]+s`)

// atRest is d without the values of this one delivery, and with recent times as "now".
func atRest(t *testing.T, d amqp.Delivery) amqp.Delivery {
	t.Helper()
	d.Acknowledger, d.DeliveryTag, d.MessageCount, d.Timestamp = nil, 0, 0, d.Timestamp.UTC()
	d.Headers = maps.Clone(d.Headers)
	delete(d.Headers, "x-delivery-count") // a quorum queue tells it with each delivery
	delete(d.Headers, "warren-tag")       // the number of the publish
	for name, value := range d.Headers {
		if at, ok := value.(time.Time); ok {
			d.Headers[name] = at.UTC()
		}
	}
	if text, ok := d.Headers["warren-error"].(string); ok {
		d.Headers["warren-error"] = took.ReplaceAllString(text, "1 retry in 0s")
	}
	for _, name := range []string{"warren-first-failed-at", "warren-failed-at"} {
		if text, ok := d.Headers[name].(string); ok {
			at, err := time.Parse(time.RFC3339, text)
			require.NoError(t, err)
			require.WithinDuration(t, time.Now(), at, time.Minute)
			d.Headers[name] = "now"
		}
	}
	return d
}
