package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/mux"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/retry"
)

var errBusy = errors.New("mail server is busy")

func busy(err error) bool { return errors.Is(err, errBusy) }

// With one count for both, the waits for a busy server had used up the retries of a real failure.
func TestTwoLayersWithCountersOfTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		back := &broker.DeadLetter{RoutingKey: "mail"}
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: "mail"}, {Name: "parked"},
			{Name: "busy", MessageTTL: time.Second, DeadLetter: back}, {Name: "later", MessageTTL: time.Minute, DeadLetter: back},
		}}))
		n := 0
		p, err := stack.New(ack.New(),
			retry.New(b.Publisher(), "later", retry.Delays(time.Minute), retry.Retries(2), retry.ParkKey("parked")),
			retry.New(b.Publisher(), "busy", retry.Delays(time.Second), retry.Retries(25), retry.If(busy), retry.Counter("busy")),
		).ThenFunc(func(context.Context, processor.Message) error {
			if n++; n <= 25 {
				return errBusy
			}
			return errMail
		})
		require.NoError(t, err)
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p)).Run(ctx))
		require.Equal(t, 25+3, n)
		sub, err := b.Source("parked").Subscribe(t.Context(), broker.SubscribeOptions{Prefetch: 1})
		require.NoError(t, err)
		msg, err := sub.Receive(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(25), msg.Headers()["warren-retries-busy"])
		require.Equal(t, int64(2), msg.Headers()[retry.HeaderAttempts])
		require.NoError(t, msg.Ack())
	})
}

func TestTwoLayersWithOneCountAreRefused(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	layer := func(opts ...retry.Option) processor.Middleware { return retry.New(pub, "r_%attempt%", opts...) }
	for name, tc := range map[string]struct {
		inner   processor.Middleware
		allowed bool
	}{
		"the same":         {layer(), false},
		"another":          {layer(retry.Counter("busy")), true},
		"one without name": {layer(retry.Counter("")), false},
	} {
		handler := processor.ProcessorFunc(func(context.Context, processor.Message) error { return nil })
		_, err := stack.New(layer(), tc.inner).Then(handler)
		require.Equal(t, tc.allowed, err == nil, name)

		branch, err := stack.New(tc.inner).Then(handler)
		if name == "one without name" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		nested := mux.New(mux.ByType, mux.Fallback(mux.New(mux.ByKey, mux.On("k", branch))))
		_, err = stack.New(layer()).Then(nested)
		require.Equal(t, tc.allowed, err == nil, "%s, in a branch: %v", name, err)
	}
}
