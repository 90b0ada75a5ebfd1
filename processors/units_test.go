package processors_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/processortest"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/breaker"
	"github.com/gowarren/warren/processors/cleanup"
	"github.com/gowarren/warren/processors/dedup"
	"github.com/gowarren/warren/processors/instantretry"
	"github.com/gowarren/warren/processors/maxtime"
	"github.com/gowarren/warren/processors/memorylimit"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
	"github.com/gowarren/warren/processors/timeout"
	"github.com/gowarren/warren/processors/xdeath"
)

// A number from a PHP configuration was taken for nanoseconds: every message timed out.
func TestANumberWithoutItsUnitIsRefused(t *testing.T) {
	t.Parallel()
	pub, store := &processortest.Publisher{}, dedup.NewMemory(1, time.Hour)
	for _, with := range []func(d time.Duration) processor.Middleware{
		func(d time.Duration) processor.Middleware {
			return backoff.New(pub, work, backoff.Schedule(backoff.Fixed(d)))
		},
		func(d time.Duration) processor.Middleware { return backoff.New(pub, work, backoff.Jitter(d)) },
		func(d time.Duration) processor.Middleware { return backoff.New(pub, work, backoff.KeepTrying(d)) },
		func(d time.Duration) processor.Middleware { return breaker.New("mail server", breaker.OpenFor(d)) },
		func(d time.Duration) processor.Middleware { return cleanup.New(clean, cleanup.Timeout(d)) },
		func(d time.Duration) processor.Middleware { return dedup.New(dedup.NewMemory(1, d)) },
		func(d time.Duration) processor.Middleware { return dedup.New(store, dedup.StoreTimeout(d)) },
		func(d time.Duration) processor.Middleware { return instantretry.New(instantretry.Delay(d)) },
		func(d time.Duration) processor.Middleware { return maxtime.New(maxtime.After(d)) },
		func(d time.Duration) processor.Middleware { return memorylimit.New(100, memorylimit.Every(d)) },
		func(d time.Duration) processor.Middleware { return retry.New(pub, "r_%attempt%", retry.KeepTrying(d)) },
		func(d time.Duration) processor.Middleware { return retry.New(pub, "r_%delay%", retry.Delays(d)) },
		func(d time.Duration) processor.Middleware {
			return redelivery.New(pub, parked, redelivery.Wait(d, time.Second))
		},
		func(d time.Duration) processor.Middleware {
			return redelivery.New(pub, parked, redelivery.KeepTrying(d))
		},
		func(d time.Duration) processor.Middleware { return timeout.New(d) },
		func(d time.Duration) processor.Middleware { return timeout.New(time.Minute, timeout.BrokerTimeout(d)) },
		func(d time.Duration) processor.Middleware {
			return xdeath.New(xdeath.MaxLifetime(d), xdeath.Park(pub, processor.Destination{RoutingKey: parked}))
		},
	} {
		_, err := stack.New(with(300)).Then(&calls{})
		require.ErrorContains(t, err, "is 300ns: that is less than")
		_, err = stack.New(with(time.Second)).Then(&calls{})
		require.NoError(t, err)
	}
	for _, with := range []consumer.Option{consumer.DrainTimeout(20), consumer.IdleInterval(1)} {
		_, err := consumer.New(memory.New().Source("q"), &calls{}, with)
		require.ErrorContains(t, err, "less than")
	}
}

// The largest duration is "never", and no sum with it becomes negative.
func TestTheLongestDurationIsAccepted(t *testing.T) {
	t.Parallel()
	const longest = math.MaxInt64
	pub := &processortest.Publisher{}
	for name, m := range map[string]processor.Middleware{
		"breaker":      breaker.New("mail server", breaker.OpenFor(longest)),
		"cleanup":      cleanup.New(clean, cleanup.Timeout(longest)),
		"dedup":        dedup.New(dedup.NewMemory(1, longest), dedup.StoreTimeout(longest)),
		"instantretry": instantretry.New(instantretry.DoubleUpTo(longest)),
		"maxtime":      maxtime.New(maxtime.After(longest)),
		"memorylimit":  memorylimit.New(100, memorylimit.Every(longest)),
		"retry":        retry.New(pub, "r_%attempt%", retry.KeepTrying(longest)),
		"backoff":      backoff.New(pub, "test-queue", backoff.KeepTrying(longest), backoff.Jitter(longest), backoff.Schedule(backoff.Fixed(time.Hour))),
		"timeout":      timeout.New(longest, timeout.BrokerTimeout(longest)),
		"xdeath":       xdeath.New(xdeath.MaxLifetime(longest), xdeath.Park(pub, processor.Destination{RoutingKey: parked})),
	} {
		for _, result := range []error{nil, errMail} {
			synctest.Test(t, func(t *testing.T) {
				p, err := stack.New(m).Then(&calls{results: []error{result}})
				require.NoError(t, err, name)
				require.NoError(t, p.Start(t.Context()), name)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_ = p.Process(ctx, message()) // by the jitter it may wait too long, which is an error
				require.NoError(t, p.Stop(t.Context()), name)
				synctest.Wait()
			})
		}
	}
}
