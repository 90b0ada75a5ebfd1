package replay_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/replay"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/retry"
)

const key = "mail_retry_%delay%"

var schedule = []retry.Option{retry.Delays(time.Minute, time.Minute), retry.ParkKey(parkedQueue)}

// town is a broker with an exchange of events that two services consume.
func town(t *testing.T) *memory.Broker {
	t.Helper()
	b := memory.New()
	topology, err := retry.Topology(broker.Queue{Name: "mail"}, key, schedule...)
	require.NoError(t, err)
	topology.Exchanges = append(topology.Exchanges, broker.Exchange{Name: "events", Kind: broker.Topic})
	topology.Queues = append(topology.Queues, broker.Queue{Name: "billing"})
	topology.Bindings = append(topology.Bindings,
		broker.Binding{Exchange: "events", Queue: "mail", RoutingKey: "user.#"},
		broker.Binding{Exchange: "events", Queue: "billing", RoutingKey: "user.#"})
	require.NoError(t, b.Declare(t.Context(), topology))
	return b
}

// work consumes the queue mail for ten minutes.
func work(t *testing.T, b *memory.Broker, handler processor.ProcessorFunc) {
	t.Helper()
	p, err := stack.New(ack.New(), retry.New(b.Publisher(), key, schedule...)).Then(handler)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	require.NoError(t, must.Have(consumer.New(b.Source("mail"), p)).Run(ctx))
}

// A replay published to the exchange once more, and the other service got the event twice. To the
// queue alone, the event had lost its routing key, or with its count parked after one try.
func TestAReplayedEventComesToItsOwnQueueAloneWithItsKeyAndAllRetries(t *testing.T) {
	t.Parallel()
	events := processor.Destination{Exchange: "events", RoutingKey: "user.created"}
	for name, route := range map[string]replay.Route{
		"to the queue that it failed in": replay.ToQueue("mail"),
		"to a queue by name":             replay.To(processor.Destination{RoutingKey: "mail"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := town(t)
				defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
				require.NoError(t, b.Publisher().Publish(t.Context(), events, processor.Envelope{Properties: processor.Properties{ID: "1"}}))
				for round := range 3 { // parked, replayed, parked, ...
					var origins []processor.Origin
					work(t, b, func(_ context.Context, msg processor.Message) error {
						origins = append(origins, retry.FirstOrigin(msg))
						return errors.New("mail server says no")
					})
					require.Len(t, origins, 3, "the first try and two retries, in round %d", round)
					for _, o := range origins {
						require.Equal(t, processor.Origin{Queue: o.Queue, Exchange: events.Exchange, RoutingKey: events.RoutingKey, Redelivered: o.Redelivered}, o)
					}
					require.Equal(t, 1, ready(t, b, parkedQueue))
					counts, err := replay.Run(t.Context(), b, parkedQueue, route)
					require.NoError(t, err)
					require.Equal(t, 1, counts.Moved)
				}
				require.Equal(t, 1, ready(t, b, "mail"))
				require.Equal(t, 1, ready(t, b, "billing"), "that of the first publish")
			})
		})
	}
}

// PHP's Swarrot had retried the message first, and left no origin, so it could not be replayed.
func TestWhatOthersRetriedFirstCanBeReplayed(t *testing.T) {
	t.Parallel()
	for name, headers := range map[string]processor.Headers{
		"once":                   {"swarrot_retry_attempts": int64(1)},
		"as often as may":        {"swarrot_retry_attempts": int64(2)},
		"with half of an origin": {"swarrot_retry_attempts": int64(2), "warren-original-exchange": "events"},
		"with no names":          {"swarrot_retry_attempts": int64(2), "warren-original-exchange": int64(1), "warren-original-routing-key": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := town(t)
				defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
				put(t, b, "mail", processor.Envelope{Headers: headers})
				work(t, b, func(context.Context, processor.Message) error { return errors.New("mail server says no") })
				for _, route := range []replay.Route{replay.ToOrigin(processor.Destination{RoutingKey: "mail"}), replay.ToQueue("mail")} {
					counts, err := replay.Run(t.Context(), b, parkedQueue, route, replay.DryRun())
					require.NoError(t, err)
					require.Equal(t, 1, counts.Moved)
				}
				counts, err := replay.Run(t.Context(), b, parkedQueue, replay.ToQueue("mail"))
				require.NoError(t, err)
				require.Equal(t, 1, counts.Moved)
				require.Equal(t, 1, ready(t, b, "mail"))
			})
		})
	}
}

// Two delays of backoff and all three layers that park write the queue.
func TestACopyNamesTheQueueThatItFailedIn(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	for name, layer := range map[string]processor.Middleware{
		"retry":           retry.New(pub, "retry", retry.Retries(1)),
		"retry, parked":   retry.New(pub, "", retry.Retries(0), retry.ParkKey("parked")),
		"backoff":         backoff.New(pub, "mail"),
		"backoff, parked": backoff.New(pub, "mail", backoff.Retries(0), backoff.Park(processor.Destination{RoutingKey: "parked"})),
	} {
		p, err := stack.New(layer).ThenFunc(func(context.Context, processor.Message) error { return errors.New("no") })
		require.NoError(t, err)
		require.NoError(t, p.Process(t.Context(), processortest.NewMessage(
			processortest.Origin(processor.Origin{Queue: "mail", Exchange: "events", RoutingKey: "user.created"}),
			processortest.Header("warren-original-queue", "forged"))), name)
		all := pub.Published()
		h := all[len(all)-1].Envelope.Headers
		require.Equal(t, "mail", h["warren-original-queue"], name)
		require.Equal(t, "user.created", h["warren-original-routing-key"], name)
	}
}

func TestOnlyAllowedQueuesGetWhatNamesThem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		allowed []string
		left    error
	}{
		"allowed": {[]string{"billing", "mail"}, nil}, "another": {[]string{"mai", "mail2", ""}, replay.ErrNotAllowed}, "none": {nil, replay.ErrNotAllowed},
	} {
		b := open(t)
		put(t, b, parkedQueue, processor.Envelope{Headers: headers(processor.Headers{"warren-original-queue": "mail"})})
		var why error
		counts, err := replay.Run(t.Context(), b, parkedQueue, replay.ToQueue(tc.allowed...), replay.OnEvent(func(e replay.Event) { why = e.Err }))
		require.NoError(t, err, name)
		require.ErrorIs(t, why, tc.left, name)
		require.Equal(t, tc.left == nil, counts.Moved == 1, name)
	}
}

// The broker parked it, and so only x-death says where it was.
func TestWhatTheBrokerGaveUpGoesBackToItsQueueWithItsKey(t *testing.T) {
	t.Parallel()
	b := open(t)
	put(t, b, parkedQueue, processor.Envelope{Headers: processor.Headers{"x-death": []any{processor.Headers{
		"reason": "delivery_limit", "queue": "mail", "count": int64(1), "exchange": "events", "routing-keys": []any{"user.created"},
	}}}})
	counts, err := replay.Run(t.Context(), b, parkedQueue, replay.ToQueue("mail"))
	require.NoError(t, err)
	require.Equal(t, 1, counts.Moved)
	require.Equal(t, processor.Origin{Queue: "mail", Exchange: "events", RoutingKey: "user.created"},
		retry.FirstOrigin(drain(t, b, "mail", 1)[0]))
}

// The other messages are moved.
func TestAPublisherThatPanicsFailsOneMessage(t *testing.T) {
	t.Parallel()
	b := panicking{open(t)}
	park(t, b.Broker, parkedQueue, 3, nil)
	counts, err := replay.Run(t.Context(), b, parkedQueue, fromMail)
	require.NoError(t, err)
	require.Equal(t, replay.Counts{Total: 3, Seen: 3, Moved: 2, Failed: 1}, counts)
	require.Equal(t, 1, ready(t, b, parkedQueue))
}

type panicking struct{ *memory.Broker }

func (p panicking) Publisher() processor.Publisher {
	return processor.PublisherFunc(func(ctx context.Context, to processor.Destination, e processor.Envelope) error {
		if e.ID == "1" {
			panic("a bug of the publisher's")
		}
		return p.Broker.Publisher().Publish(ctx, to, e)
	})
}
