package failover_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover"
)

func TestAutoRetryKeepsTheChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := dialFake(t, f, "amqp://a")
		var used *amqp.Channel
		revived := 0
		op := func(_ context.Context, channel *amqp.Channel) error {
			used = channel
			return nil
		}
		again := func() { // with the same variables, as callers do
			f.latest().close()
			synctest.Wait()
		}
		onRevive := failover.OnRevive(func(*amqp.Channel) { revived++ })

		channel, err := c.AutoRetry(t.Context(), nil, op, onRevive)
		require.NoError(t, err)
		require.Same(t, used, channel)
		require.False(t, channel.IsClosed())

		first := channel
		for range 3 {
			channel, err = c.AutoRetry(t.Context(), channel, op, onRevive)
			require.NoError(t, err)
			require.Same(t, first, channel)
		}
		require.Equal(t, 1, revived)

		again()
		channel, err = c.AutoRetry(t.Context(), channel, op, onRevive)
		require.NoError(t, err)
		require.NotSame(t, first, channel)
		require.Same(t, used, channel)
		require.Equal(t, 2, revived)

		require.NoError(t, channel.Close())
		channel, err = c.AutoRetry(t.Context(), channel, op, onRevive)
		require.NoError(t, err)
		require.False(t, channel.IsClosed())
		require.Equal(t, 3, revived)
		closeNow(t, c)
	})
}

func TestAutoRetryReplacesAChannelThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &fake{}, "amqp://a")
		stale, err := session(t, c).Channel(t.Context())
		require.NoError(t, err)
		channel, err := c.AutoRetry(t.Context(), stale, func(_ context.Context, channel *amqp.Channel) error {
			if channel == stale {
				return failover.ErrRetry
			}
			return nil
		})
		require.NoError(t, err)
		require.True(t, stale.IsClosed())
		require.False(t, channel.IsClosed())
		closeNow(t, c)
	})
}

func TestWhatAutoRetryReturnsWithAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := dialFake(t, f, "amqp://a")
		own := errors.New("my own")
		channel, err := c.AutoRetry(t.Context(), nil, func(context.Context, *amqp.Channel) error { return own })
		require.Equal(t, own, err)
		require.False(t, channel.IsClosed(), "there is nothing wrong with it")

		same, err := c.AutoRetry(t.Context(), channel, nothing, nil)
		require.Error(t, err)
		require.Same(t, channel, same, "it has not been touched")

		none, err := c.AutoRetry(t.Context(), channel, func(context.Context, *amqp.Channel) error { return failover.ErrRetry },
			failover.MaxRetries(0))
		require.ErrorIs(t, err, failover.ErrRetry)
		require.Nil(t, none)
		require.True(t, channel.IsClosed())

		none, err = c.AutoRetry(t.Context(), nil, func(_ context.Context, channel *amqp.Channel) error {
			closed := channel.NotifyClose(make(chan *amqp.Error, 1))
			f.latest().closeChannel(403, "ACCESS_REFUSED - no")
			return <-closed
		})
		require.ErrorContains(t, err, "ACCESS_REFUSED")
		require.Nil(t, none)
		closeNow(t, c)
	})
}

// A channel that the caller has is of a session that has just ended, and does not know of
// it yet: whatever the operation makes of it, the next channel is a new one.
func TestAutoRetryWithAChannelOfALostSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &fake{}, "amqp://a")
		lost := session(t, c)
		old, err := lost.Channel(t.Context())
		require.NoError(t, err)
		channel, err := c.AutoRetry(t.Context(), old, func(ctx context.Context, channel *amqp.Channel) error {
			if channel == old {
				lost.Abort(nil)
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}, failover.Interval(time.Second, 0, time.Second))
		require.NoError(t, err)
		require.NotSame(t, old, channel)
		closeNow(t, c)
	})
}
