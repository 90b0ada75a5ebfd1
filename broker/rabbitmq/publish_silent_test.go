package rabbitmq_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// Who publishes could not tell a queue that hangs from a broker that takes nothing.
func TestThePublisherSaysWhetherTheQueueOrTheBrokerDoesNotAnswer(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b, other := open(t, node.URL()), declareQueue(t, node.URL(), nil)
	publish := func(queue string, d time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		return b.Publisher().Publish(ctx, to(queue), text("x"))
	}
	for _, args := range []amqp.Table{nil, {"x-queue-type": "quorum"}} {
		hung := declareQueue(t, node.URL(), args)
		require.NoError(t, publish(hung, patience))
		tell(t, node, hung, "suspend")
		first := make(chan error, 1)
		go func() { first <- publish(hung, 3*time.Second) }()
		require.ErrorIs(t, <-first, processor.ErrIndeterminate)
		err := publish(hung, 3*time.Second)
		require.Error(t, err)
		require.NotErrorIs(t, err, processor.ErrSilent, "it may be all queues")
		for range 3 {
			require.NoError(t, publish(other, patience))
			require.ErrorIs(t, publish(hung, 3*time.Second), processor.ErrSilent)
		}
		tell(t, node, hung, "resume")
		require.NoError(t, publish(hung, patience))
	}
	node.SetMemoryAlarm(t, true)
	err := publish(other, 3*time.Second) // the broker tells of the block at the first publish
	require.Error(t, err)
	require.NotErrorIs(t, err, processor.ErrSilent)
	for range 3 {
		err := publish(other, 3*time.Second)
		require.ErrorIs(t, err, processor.ErrBlocked)
		require.NotErrorIs(t, err, processor.ErrSilent)
	}
	node.SetMemoryAlarm(t, false)
	require.Eventually(t, func() bool { return publish(other, patience) == nil }, patience, 10*time.Millisecond)
}
