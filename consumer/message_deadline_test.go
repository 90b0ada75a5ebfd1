package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory"
	"github.com/gowarren/warren/broker/needs"
	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processor/stack"
	"github.com/gowarren/warren/processors/ack"
	"github.com/gowarren/warren/processors/backoff"
	"github.com/gowarren/warren/processors/redelivery"
	"github.com/gowarren/warren/processors/retry"
)

// shortLived makes contexts that end on their own, in ways that users may choose. They live for a whole test at most.
func shortLived(t *testing.T) map[string]func(context.Context, processor.Message) (context.Context, error) {
	within := func(d time.Duration) func(context.Context, processor.Message) (context.Context, error) {
		return func(ctx context.Context, _ processor.Message) (context.Context, error) {
			ctx, cancel := context.WithTimeout(ctx, d)
			t.Cleanup(cancel)
			return ctx, nil
		}
	}
	return map[string]func(context.Context, processor.Message) (context.Context, error){
		"a deadline":              within(10 * time.Millisecond),
		"a deadline in the past":  within(-time.Second),
		"cancelled, with a cause": ended(errors.New("the tenant has gone")),
		"as if by a shutdown":     ended(processor.ErrShutdown),
		"as if a channel is lost": ended(processor.ErrStale),
	}
}

func ended(cause error) func(context.Context, processor.Message) (context.Context, error) {
	return func(ctx context.Context, _ processor.Message) (context.Context, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(cause)
		return ctx, nil
	}
}

// retries are the layers that retry once and then park.
func retries(p processor.Publisher) map[string]processor.Middleware {
	return map[string]processor.Middleware{
		"retry": retry.New(p, "mail_retry_%delay%", retry.Delays(time.Second), retry.ParkKey("mail_parked"), retry.Logger(slogDiscard())),
		"backoff": backoff.New(p, "mail", backoff.Schedule(backoff.Fixed(time.Second)), backoff.Retries(1),
			backoff.Park(processor.Destination{RoutingKey: "mail_parked"}), backoff.Logger(slogDiscard())),
		"redelivery": redelivery.New(p, "mail_parked", redelivery.Retries(1), redelivery.Logger(slogDiscard())),
	}
}

// The end of a context that a user has made for a message is a failed attempt. The layers took it for the end of the run: they
// counted no attempt and parked nothing, so the message was redelivered without end, or up to the delivery limit.
func TestAContextThatEndsOnItsOwnIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	for layer := range retries(memory.New().Publisher()) {
		for name := range shortLived(t) {
			t.Run(layer+", "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var tries atomic.Int64
					b := memory.New()
					p := must.Have(stack.New(ack.New(), retries(b.Publisher())[layer]).ThenFunc(func(ctx context.Context, _ processor.Message) error {
						tries.Add(1)
						<-ctx.Done()
						return ctx.Err()
					}))
					require.NoError(t, b.Declare(t.Context(), must.Have(needs.Of(broker.Queue{Name: "mail", Type: broker.Quorum}, p))))
					c := must.Have(consumer.New(b.Source("mail"), p, quiet(), consumer.MessageContext(shortLived(t)[name])))
					post(t, b, nil)
					running(t, c)
					require.EqualValues(t, 2, tries.Load())
					require.Equal(t, 1, readyIn(t, b, "mail_parked"))
					require.Zero(t, readyIn(t, b, "mail"))
					require.NoError(t, b.Close(t.Context()))
				})
			})
		}
	}
}

// Without a layer that retries it is nacked as any failure is, and dead-lettered.
func TestAContextThatEndsOnItsOwnRequeuesNothing(t *testing.T) {
	t.Parallel()
	for name := range shortLived(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := memory.New()
				require.NoError(t, b.Declare(t.Context(), broker.Topology{Queues: []broker.Queue{
					{Name: "mail", DeadLetter: &broker.DeadLetter{RoutingKey: "mail_dead"}}, {Name: "mail_dead"},
				}}))
				p := acked(t, func(ctx context.Context, _ processor.Message) error { <-ctx.Done(); return ctx.Err() })
				c := must.Have(consumer.New(b.Source("mail"), p, quiet(), consumer.MessageContext(shortLived(t)[name])))
				post(t, b, nil)
				running(t, c)
				require.Equal(t, 1, readyIn(t, b, "mail_dead"))
				require.NoError(t, b.Close(t.Context()))
			})
		})
	}
}

// A message whose own context ends while its run ends has been cut short by the run all the same.
func TestTheEndOfTheRunStillCutsAMessageShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cutShort atomic.Bool
		b, c := office(t, shortLived(t)["a deadline"], func(ctx context.Context, _ processor.Message) error {
			time.Sleep(10 * time.Second) // past its deadline, and past that of the run
			cutShort.Store(processor.CutShort(ctx) && processor.ShuttingDown(ctx))
			return fmt.Errorf("too late: %w", ctx.Err())
		}, consumer.DrainTimeout(10*time.Second-time.Millisecond))
		post(t, b, nil)
		ctx, stop := context.WithCancel(t.Context())
		go func() { time.Sleep(time.Millisecond / 2); stop() }()
		require.NoError(t, c.Run(ctx))
		require.True(t, cutShort.Load())
		require.Equal(t, 1, readyIn(t, b, "mail"), "it goes back untouched")
		require.Zero(t, readyIn(t, b, "mail_parked"))
		require.NoError(t, b.Close(t.Context()))
	})
}
