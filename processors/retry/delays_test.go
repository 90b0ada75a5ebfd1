package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

func TestThereAreAsManyAttemptsAsDelaysUnlessSaidOtherwise(t *testing.T) {
	t.Parallel()
	delays := retry.Delays(half, time.Minute)
	for name, tc := range map[string]struct {
		opts []retry.Option
		keys []string
	}{
		"as many":                {[]retry.Option{delays}, []string{"r_30s", "r_1m", parked}},
		"more, the last repeats": {[]retry.Option{delays, retry.Retries(3)}, []string{"r_30s", "r_1m", "r_1m", parked}},
		"the order is no matter": {[]retry.Option{retry.Retries(1), delays}, []string{"r_30s", parked}},
		"none":                   {[]retry.Option{delays, retry.Retries(0)}, []string{parked}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pub processortest.Publisher
			p, err := stack.New(retry.New(&pub, "r_%delay%", append(tc.opts, retry.ParkKey(parked))...)).ThenFunc(fails)
			require.NoError(t, err)
			var keys []string
			for n := range tc.keys {
				require.NoError(t, p.Process(t.Context(), processortest.NewMessage(attempts(n))))
				keys = append(keys, pub.Published()[n].To.RoutingKey)
			}
			require.Equal(t, tc.keys, keys)
		})
	}
}

func TestDelaysAreTheirOwnersNotTheCallers(t *testing.T) {
	t.Parallel()
	mine := []time.Duration{half}
	opts := []retry.Option{retry.Delays(mine...)}
	mine[0] = time.Hour
	topology, err := retry.Topology(broker.Queue{Name: work}, "r_%delay%", opts...)
	require.NoError(t, err)
	require.Equal(t, "r_30s", topology.Queues[1].Name)
}

func TestADescriptionHasTheDelays(t *testing.T) {
	t.Parallel()
	p, err := stack.New(retry.New(&processortest.Publisher{}, "r_%delay%", retry.Delays(half, 90*time.Minute))).ThenFunc(fails)
	require.NoError(t, err)
	text := p.Describe().String()
	require.Contains(t, text, "30s, 1h30m")
	require.Contains(t, text, "r_30s", "the first key")

	p, err = stack.New(retry.New(&processortest.Publisher{}, "r_%attempt%")).ThenFunc(fails)
	require.NoError(t, err)
	require.NotContains(t, p.Describe().String(), "delays")
}

// A handler that uses the routing key also finds it after a retry.
func TestOriginIsWhereAMessageWasFirstPublished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // no copy comes back before its subscription has closed
		opts := []retry.Option{retry.Delays(time.Millisecond), retry.ParkKey(parked)}
		topology, err := retry.Topology(broker.Queue{Name: work}, "r_%delay%", opts...)
		require.NoError(t, err)
		b := memory.New()
		t.Cleanup(func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) })
		require.NoError(t, b.Declare(t.Context(), topology.Merge(broker.Topology{
			Exchanges: []broker.Exchange{{Name: "letters", Kind: broker.Topic}},
			Bindings:  []broker.Binding{{Exchange: "letters", Queue: work, RoutingKey: "mail.*"}},
		})))
		first := processor.Destination{Exchange: "letters", RoutingKey: "mail.welcome"}
		require.NoError(t, b.Publisher().Publish(t.Context(), first, processor.Envelope{}))
		p, err := stack.New(ack.New(), retry.New(b.Publisher(), "r_%delay%", opts...)).ThenFunc(fails)
		require.NoError(t, err)
		for _, tc := range []struct {
			queue string
			last  processor.Destination
		}{{work, first}, {work, processor.Destination{RoutingKey: work}}, {parked, processor.Destination{RoutingKey: parked}}} {
			sub, err := b.Source(tc.queue).Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
			require.NoError(t, err)
			msg, err := sub.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, processor.Origin{Queue: tc.queue, Exchange: tc.last.Exchange, RoutingKey: tc.last.RoutingKey}, msg.Origin())
			require.Equal(t, processor.Origin{Queue: tc.queue, Exchange: "letters", RoutingKey: "mail.welcome"}, retry.FirstOrigin(msg))
			require.NoError(t, p.Process(t.Context(), msg))
			require.NoError(t, sub.Close(t.Context()))
		}
	})
}
