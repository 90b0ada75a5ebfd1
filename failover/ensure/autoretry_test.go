package ensure_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/failover/ensure"
	"github.com/gowarren/warren/failover/internal/amqpfake"
)

func TestAutoRetryKeepsTheChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a")
		var used *amqp.Channel
		revived := 0
		op := func(_ context.Context, channel *amqp.Channel) error {
			used = channel
			return nil
		}
		again := func() { // with the same variables, as callers do
			f.Latest().Close()
			synctest.Wait()
		}
		onRevive := ensure.OnRevive(func(*amqp.Channel) { revived++ })

		channel, err := ensure.AutoRetry(t.Context(), c, nil, op, onRevive)
		require.NoError(t, err)
		require.Same(t, used, channel)
		require.False(t, channel.IsClosed())

		first := channel
		for range 3 {
			channel, err = ensure.AutoRetry(t.Context(), c, channel, op, onRevive)
			require.NoError(t, err)
			require.Same(t, first, channel)
		}
		require.Equal(t, 1, revived)

		again()
		channel, err = ensure.AutoRetry(t.Context(), c, channel, op, onRevive)
		require.NoError(t, err)
		require.NotSame(t, first, channel)
		require.Same(t, used, channel)
		require.Equal(t, 2, revived)

		require.NoError(t, channel.Close())
		channel, err = ensure.AutoRetry(t.Context(), c, channel, op, onRevive)
		require.NoError(t, err)
		require.False(t, channel.IsClosed())
		require.Equal(t, 3, revived)
		closeNow(t, c)
	})
}

func TestAutoRetryReplacesAChannelThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		stale, err := session(t, c).Channel(t.Context())
		require.NoError(t, err)
		channel, err := ensure.AutoRetry(t.Context(), c, stale, func(_ context.Context, channel *amqp.Channel) error {
			if channel == stale {
				return ensure.ErrRetry
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
		f := &amqpfake.Network{}
		c := dialFake(t, f, "amqp://a")
		own := errors.New("my own")
		channel, err := ensure.AutoRetry(t.Context(), c, nil, func(context.Context, *amqp.Channel) error { return own })
		require.Equal(t, own, err)
		require.False(t, channel.IsClosed(), "there is nothing wrong with it")

		same, err := ensure.AutoRetry(t.Context(), c, channel, nothing, nil)
		require.Error(t, err)
		require.Same(t, channel, same, "it has not been touched")

		none, err := ensure.AutoRetry(t.Context(), c, channel, func(context.Context, *amqp.Channel) error { return ensure.ErrRetry },
			ensure.Retries(0))
		require.ErrorIs(t, err, ensure.ErrRetry)
		require.Nil(t, none)
		require.True(t, channel.IsClosed())

		none, err = ensure.AutoRetry(t.Context(), c, nil, func(_ context.Context, channel *amqp.Channel) error {
			closed := channel.NotifyClose(make(chan *amqp.Error, 1))
			f.Latest().CloseChannel(403, "ACCESS_REFUSED - no")
			return <-closed
		})
		require.ErrorContains(t, err, "ACCESS_REFUSED")
		require.Nil(t, none)
		closeNow(t, c)
	})
}

// The session of the caller's channel has just ended, and the channel does not know it yet:
// whatever the operation returns, the next channel is a new one.
func TestAutoRetryWithAChannelOfALostSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := dialFake(t, &amqpfake.Network{}, "amqp://a")
		lost := session(t, c)
		old, err := lost.Channel(t.Context())
		require.NoError(t, err)
		channel, err := ensure.AutoRetry(t.Context(), c, old, func(ctx context.Context, channel *amqp.Channel) error {
			if channel == old {
				lost.Abort(nil)
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}, ensure.Interval(time.Second, 0, time.Second))
		require.NoError(t, err)
		require.NotSame(t, old, channel)
		closeNow(t, c)
	})
}
