package consumer_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/consumer"
	"github.com/gowarren/warren/internal/must"
	"github.com/gowarren/warren/processor"
)

// The message stayed with the consumer, and its worker was gone.
func TestAKeyThatEndsTheGoroutineLosesNeitherMessageNorWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mailbox(t, 20)
		var exits atomic.Int64
		key := func(msg processor.Message) string {
			if msg.Properties().ID == "7" && exits.Add(1) <= 3 {
				runtime.Goexit()
			}
			return "one"
		}
		p := acked(t, func(context.Context, processor.Message) error { return nil })
		c := must.Have(consumer.New(b.Source("mail"), p, consumer.OrderBy(key), consumer.Workers(2), quiet()))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		require.Equal(t, int64(4), exits.Load())
		require.Equal(t, uint64(20), c.Stats().Done)
		cancel()
		require.NoError(t, <-result)
	})
}

func TestARunThatIsPausedMayAbandonItsHandlers(t *testing.T) {
	t.Parallel()
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			b := mailbox(t, 3)
			released := make(chan struct{})
			h, p := steered(t, func(context.Context, processor.Message) error { <-released; return nil })
			c := must.Have(consumer.New(b.Source("mail"), p, consumer.DrainTimeout(0), quiet()))
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error)
			go func() { result <- c.Run(ctx) }()
			synctest.Wait()
			h.run.Pause()
			cancel()
			require.ErrorIs(t, <-result, consumer.ErrAbandoned)
			close(released)
			synctest.Wait()
			require.Equal(t, 3, ready(t, b))
		})
	}
}
