package broker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
)

var errCut = errors.New("the wire is cut")

func delivered(c *broker.Channel) *broker.Delivery {
	return c.Deliver(processor.Envelope{}, processor.Origin{}, nil, 1)
}

func TestTheContextOfADeliveryEndsWithItsChannel(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"it says why": errCut, "it says so itself": errors.Join(processor.ErrStale, errCut), "nothing is said": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := context.WithValue(t.Context(), key{}, "value")
			c := broker.NewChannel(broker.SubscribeOptions{Base: base})
			d := delivered(c)
			require.Same(t, d.Context(), delivered(c).Context(), "one for all")
			require.Equal(t, "value", d.Context().Value(key{}))
			require.False(t, d.Lost())
			require.False(t, processor.Lost(d.Context()))

			c.Lose(cause)
			c.Lose(errors.New("too late"))
			require.True(t, d.Lost())
			require.True(t, processor.Lost(d.Context()))
			require.NoError(t, base.Err())
			for _, ctx := range []context.Context{d.Context(), c.Life()} {
				require.ErrorIs(t, context.Cause(ctx), processor.ErrStale)
				if cause != nil {
					require.ErrorIs(t, context.Cause(ctx), errCut)
				}
			}
		})
	}
}

type key struct{}

func TestTheContextOfADeliveryEndsWithItsBase(t *testing.T) {
	t.Parallel()
	base, end := context.WithCancelCause(t.Context())
	c := broker.NewChannel(broker.SubscribeOptions{Base: base})
	d := delivered(c)
	end(processor.ErrShutdown)
	require.True(t, processor.ShuttingDown(d.Context()))
	require.False(t, d.Lost())
	require.False(t, processor.Lost(d.Context()))
	c.Lose(errCut)
	require.True(t, processor.Lost(d.Context()), "whatever has ended first")
}

func TestWithFinishLostTheContextOutlivesTheChannel(t *testing.T) {
	t.Parallel()
	base, end := context.WithCancel(t.Context())
	c := broker.NewChannel(broker.SubscribeOptions{Base: base, FinishLost: true})
	d := delivered(c)
	child, cancel := context.WithCancel(d.Context())
	defer cancel()
	c.Lose(errCut)
	require.NoError(t, child.Err())
	require.True(t, d.Lost())
	require.True(t, processor.Lost(child))
	end()
	require.Error(t, child.Err())
}

func TestADeliveryWithoutAChannelIsNeverLost(t *testing.T) {
	t.Parallel()
	d := broker.NewDelivery(processor.Envelope{}, processor.Origin{}, nil, 1)
	require.False(t, d.Lost())
	require.Nil(t, d.Context().Done())
}

// alien is a context of another implementation, which does not know who waits for its end.
type alien struct {
	context.Context //nolint:containedctx // it is one
	done            chan struct{}
}

func (a alien) Done() <-chan struct{} { return a.done }

// A bubble does not end while a goroutine waits in it.
func TestNothingOfAChannelIsLeftWithABaseThatOutlivesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(*testing.T) {
		base := alien{context.Background(), make(chan struct{})}
		for _, finish := range []bool{false, true} {
			c := broker.NewChannel(broker.SubscribeOptions{Base: base, FinishLost: finish})
			delivered(c)
			c.Lose(nil)
		}
	})
}
