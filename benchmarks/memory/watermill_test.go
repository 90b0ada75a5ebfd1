package memory_test

import (
	"sync/atomic"
	"testing"

	wm "github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"
	"github.com/stretchr/testify/require"
)

// watermill is Watermill's Go channel and a router. The channel is no broker: it has no queues, and
// drops messages without a subscriber.
func watermill(tb testing.TB, handled func()) system {
	tb.Helper()
	channel := gochannel.NewGoChannel(gochannel.Config{OutputChannelBuffer: 100}, wm.NopLogger{})
	tb.Cleanup(func() { _ = channel.Close() })
	router, err := message.NewRouter(message.RouterConfig{}, wm.NopLogger{})
	require.NoError(tb, err)
	poison, err := middleware.PoisonQueue(channel, "work_retry")
	require.NoError(tb, err)
	router.AddMiddleware(poison, middleware.Recoverer)
	var done atomic.Int64
	router.AddConsumerHandler("work", "work", channel, func(*message.Message) error {
		done.Add(1)
		handled()
		return nil
	})
	ended := make(chan error, 1)
	go func() { ended <- router.Run(tb.Context()) }()
	<-router.Running()

	return system{
		publish: func() error {
			msg := message.NewMessage("4711", body)
			msg.Metadata.Set("tenant", "acme")
			return channel.Publish("work", msg)
		},
		stop: func() int {
			require.NoError(tb, router.Close())
			require.NoError(tb, <-ended)
			return int(done.Load())
		},
	}
}
