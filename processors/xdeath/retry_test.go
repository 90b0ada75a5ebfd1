package xdeath_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/xdeath"
)

// The retry has no park key: when its retries are used up, the queue dead-letters the message into
// a loop, and xdeath ends that. The stack was refused.
func TestOutsideARetryThatParksNothingItEndsTheLoopOfTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := memory.New()
		defer func() { require.NoError(t, b.Close(context.WithoutCancel(t.Context()))) }()
		require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
			{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "mail_wait"}},
			{Name: "mail_wait", MessageTTL: wait, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
			{Name: "mail_retry", MessageTTL: time.Second, DeadLetter: &broker.DeadLetter{RoutingKey: "mail"}},
			{Name: "parked"},
		}}))
		calls := 0
		p, err := stack.New(ack.New(), xdeath.New(xdeath.MaxCount(2), xdeath.Park(b.Publisher(), parked)),
			retry.New(b.Publisher(), "mail_retry", retry.Retries(2), retry.Delays(time.Second))).
			ThenFunc(func(context.Context, processor.Message) error { calls++; return errMail })
		require.NoError(t, err)
		require.NoError(t, b.Publisher().Publish(t.Context(), processor.Destination{RoutingKey: "mail"}, processor.Envelope{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.NoError(t, must.Have(consumer.New(b.Source("mail"), p)).Run(ctx))
		require.Equal(t, 5, calls, "the first try, two retries, and two rounds of the loop")
		n, err := b.Ready(t.Context(), "parked")
		require.NoError(t, err)
		require.Equal(t, 1, n)
	})
}

func TestWhichRetriesMayStandInside(t *testing.T) {
	t.Parallel()
	pub := &processortest.Publisher{}
	for name, tc := range map[string]struct {
		layer   processor.Middleware
		allowed bool
	}{
		"retry":                 {retry.New(pub, "r_%attempt%"), true},
		"retry that parks":      {retry.New(pub, "r_%attempt%", retry.ParkKey("parked")), false},
		"backoff":               {backoff.New(pub, "mail"), true},
		"backoff that parks":    {backoff.New(pub, "mail", backoff.Park(parked)), false},
		"backoff without limit": {backoff.New(pub, "mail", backoff.Retries(processor.NoLimit)), false},
		"redelivery":            {redelivery.New(pub, "parked"), false},
	} {
		_, err := stack.New(xdeath.New(xdeath.Park(pub, parked)), tc.layer).ThenFunc(func(context.Context, processor.Message) error { return nil })
		if tc.allowed {
			require.NoError(t, err, name)
		} else {
			require.ErrorIs(t, err, stack.ErrOrder, name)
		}
	}
}
