package backoff_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
)

// A message that a Python service has delayed three times continues its schedule.
func TestWhatPythonHasDelayedGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(t.Context())) }()
		opts := []backoff.Option{
			backoff.Strategy(delay.Compatible(b)), backoff.Jitter(0), backoff.Retries(5),
			backoff.Schedule(backoff.List(100*ms, 200*ms, 300*ms, 400*ms, 500*ms)), backoff.Park(parked),
		}
		topology, err := backoff.Topology(broker.Queue{Name: "mail"}, opts...)
		require.NoError(t, err)
		require.NoError(t, b.Declare(t.Context(), topology))
		p, err := stack.New(ack.New(), backoff.New(b.Publisher(), "mail", opts...)).Then(always(errMail))
		require.NoError(t, err)

		died := func(queue string, count int64) processor.Headers {
			return processor.Headers{"queue": queue, "exchange": "backoff", "reason": "expired", "count": count, "time": time.Now(), "routing-keys": []any{"mail"}}
		}
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{
			Headers: processor.Headers{"x-death": []any{died("backoff--100ms", 2), died("backoff--200ms", 1)}},
		}))
		sub, err := b.Source("mail").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		start := time.Now()
		for _, want := range []time.Duration{0, 400 * ms, 900 * ms} {
			msg, err := sub.Receive(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, time.Since(start))
			require.NoError(t, p.Process(t.Context(), msg))
		}
		require.NoError(t, sub.Close(t.Context()))
		n, err := b.Ready(t.Context(), "mail_parked")
		require.NoError(t, err)
		require.Equal(t, 1, n, "five retries in all")
	})
}
