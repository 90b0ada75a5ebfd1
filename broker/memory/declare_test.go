package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

func TestArgumentsThatRabbitMQRefuses(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	for name, q := range map[string]broker.Queue{
		"TTL that is text":          {Name: "q", Arguments: h{"x-message-ttl": "5"}},
		"TTL of eleven years":       {Name: "q", Arguments: h{"x-message-ttl": 11 * 365 * 24 * time.Hour.Milliseconds()}},
		"negative TTL":              {Name: "q", Arguments: h{"x-message-ttl": -1}},
		"expires at once":           {Name: "q", Arguments: h{"x-expires": 0}},
		"unknown overflow":          {Name: "q", Overflow: "drop-tail"},
		"overflow that is a number": {Name: "q", Arguments: h{"x-overflow": 1}},
		"unknown type":              {Name: "q", Type: "stream"},
		"limit of a classic queue":  {Name: "q", Arguments: h{"x-delivery-limit": 1}},
		"dead-letter key alone":     {Name: "q", Arguments: h{"x-dead-letter-routing-key": "k"}},
		"single active consumer":    {Name: "q", Arguments: h{"x-single-active-consumer": true}},
		"reserved name":             {Name: "amq.q"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t, nil)
			err := b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{{Name: "beside"}, q}})
			require.ErrorIs(t, err, broker.ErrTopology)
			_, err = b.Ready(t.Context(), "beside")
			require.ErrorIs(t, err, broker.ErrNoQueue, "it must be all or nothing")
		})
	}
}

func TestExchangesAndBindingsThatRabbitMQRefuses(t *testing.T) {
	t.Parallel()
	for name, topology := range map[string]broker.Topology{
		"kind of a plugin": {Exchanges: []broker.Exchange{{Name: "x", Kind: "x-delayed-message"}}},
		"reserved name":    {Exchanges: []broker.Exchange{{Name: "amq.x", Kind: broker.Direct}}},
		"unknown x-match": {Bindings: []broker.Binding{
			{Exchange: "amq.headers", Queue: "q", Arguments: processor.Headers{"x-match": "some"}},
		}},
		"x-match that is a list": {Bindings: []broker.Binding{
			{Exchange: "amq.headers", Queue: "q", Arguments: processor.Headers{"x-match": []any{"all"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, open(t, []broker.Queue{{Name: "q"}}).Declare(t.Context(), topology), broker.ErrTopology)
		})
	}
}

// Numbers of any width are equal, as are a default and its absence; arguments that the broker
// does not know are not compared.
func TestEquivalentDeclarations(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q", MessageTTL: time.Second}})
	for _, q := range []broker.Queue{
		{Name: "q", Type: broker.Classic, Arguments: processor.Headers{"x-message-ttl": int32(1000)}},
		{Name: "q", MessageTTL: time.Second, Overflow: broker.DropHead},
		{Name: "q", MessageTTL: time.Second, Arguments: processor.Headers{"x-queue-type": "classic", "made-up": 1}},
	} {
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{q}}))
	}
}

func TestAMismatchNamesBoth(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q", MessageTTL: time.Second}})
	err := b.Declare(t.Context(), broker.Topology{
		Exchanges: []broker.Exchange{{Name: "new", Kind: broker.Direct}},
		Queues: []broker.Queue{{
			Name: "q", MessageTTL: time.Minute, MaxLength: 5, Overflow: broker.RejectPublish, AutoDelete: true, DeadLetter: toQueue("d"),
		}},
	})
	require.ErrorIs(t, err, broker.ErrMismatch)
	require.ErrorContains(t, err, "x-message-ttl 1000")
	require.ErrorContains(t, err, "x-message-ttl 60000")
	err = b.Publisher().Publish(t.Context(), processor.Destination{Exchange: "new"}, processor.Envelope{})
	require.ErrorContains(t, err, "does not exist", "nothing of it was declared")

	exchange := broker.Exchange{Name: "x", Kind: broker.Topic}
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{exchange}}))
	exchange.Alternate, exchange.Internal = "other", true
	err = b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{exchange}})
	require.ErrorIs(t, err, broker.ErrMismatch)
	require.ErrorContains(t, err, `alternate exchange "other"`)
}

func TestExchangesOfTheBroker(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	for _, x := range []string{"amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"} {
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Bindings: []broker.Binding{{Exchange: x, Queue: "q", RoutingKey: "k"}}}))
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{Exchange: x, RoutingKey: "k"}, processor.Envelope{}))
	}
	require.Equal(t, 5, ready(t, b, "q"))
}

func TestPublishesThatAreRefused(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	require.NoError(t, b.Declare(t.Context(), broker.Topology{Exchanges: []broker.Exchange{
		{Name: "internal", Kind: broker.Fanout, Internal: true},
		{Name: "self", Kind: broker.Fanout, Alternate: "self"},
		{Name: "dangling", Kind: broker.Fanout, Alternate: "missing"},
	}}))
	cc := processor.Headers{"CC": "q"}
	for _, tc := range []struct {
		to      processor.Destination
		headers processor.Headers
		want    error
	}{
		{processor.Destination{Exchange: "internal"}, nil, processor.ErrForbidden},
		{processor.Destination{Exchange: "self"}, nil, processor.ErrUnroutable},
		{processor.Destination{Exchange: "dangling"}, nil, processor.ErrUnroutable},
		{processor.Destination{RoutingKey: "q"}, cc, processor.ErrHeaderType},
	} {
		err := b.Publisher().Publish(t.Context(), tc.to, processor.Envelope{Headers: tc.headers})
		require.ErrorIs(t, err, tc.want, tc.to.String())
	}
	require.Equal(t, 0, ready(t, b, "q"))
}

func TestACallWithAnEndedContextDoesNothing(t *testing.T) {
	t.Parallel()
	b := open(t, []broker.Queue{{Name: "q"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, b.Declare(ctx, broker.Topology{Queues: []broker.Queue{{Name: "r"}}}), ctx.Err())
	require.ErrorIs(t, b.Publisher().Publish(ctx, processor.Destination{RoutingKey: "q"}, processor.Envelope{}), ctx.Err())
	_, err := b.Source("q").Subscribe(ctx, broker.SubscribeOptions{Prefetch: 1})
	require.ErrorIs(t, err, ctx.Err())
	_, err = b.Ready(ctx, "q")
	require.ErrorIs(t, err, ctx.Err())
	require.Equal(t, 0, ready(t, b, "q"))
}
