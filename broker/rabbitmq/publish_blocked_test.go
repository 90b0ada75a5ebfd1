package rabbitmq_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A client that publishes on a blocked connection hangs, and then loses the connection.
func TestABrokerLowOnMemoryBlocksPublishingOnly(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	for i := range 3 {
		require.NoError(t, b.Publisher().Publish(within(t), to(queue), text(fmt.Sprint(i))))
	}
	sub := subscribe(t, b, queue, 10)
	node.SetMemoryAlarm(t, true)

	// The first is sent, and makes the broker block. Its outcome is unknown.
	err := b.Publisher().Publish(withinTime(t, 500*time.Millisecond), to(queue), text("first"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	err = b.Publisher().Publish(withinTime(t, 200*time.Millisecond), to(queue), text("second"))
	require.ErrorIs(t, err, processor.ErrBlocked)
	for range 3 {
		require.NoError(t, receive(t, sub).Ack(), "consuming goes on")
	}

	published := make(chan error, 1)
	go func() { published <- b.Publisher().Publish(within(t), to(queue), text("third")) }()
	node.SetMemoryAlarm(t, false)
	require.NoError(t, <-published)
	require.Equal(t, "first", receive(t, sub).Properties().ID, "it was stored after all")
	require.Equal(t, "third", receive(t, sub).Properties().ID)
}

// As when memory is low: publishing waits, and questions are answered.
func TestABrokerOutOfDiskBlocksPublishingOnly(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	queue := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("1")))
	node.SetDiskAlarm(t, true)
	require.Error(t, b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("2")))
	require.ErrorIs(t, b.Publisher().Publish(withinTime(t, 300*time.Millisecond), to(queue), text("3")), processor.ErrBlocked)
	n, err := b.Ready(within(t), queue)
	require.NoError(t, err, "questions are answered")
	require.Equal(t, 1, n)
	node.SetDiskAlarm(t, false)
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("4")))
}

// The publish was overdue while the broker blocked, and then it was not looked at again.
func TestAQueueThatHungWhileTheBrokerBlockedIsNamed(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	hung := declareQueue(t, node.URL(), nil)
	require.NoError(t, b.Publisher().Publish(within(t), to(hung), text("first")))
	node.SetMemoryAlarm(t, true)
	published := make(chan error, 1)
	go func() { published <- b.Publisher().Publish(within(t), to(hung), text("second")) }()
	blocks := func() bool {
		session, err := b.Publishing().Session(t.Context())
		if err != nil {
			return false
		}
		_, blocked := session.Blocked()
		return blocked
	}
	require.Eventually(t, blocks, patience, time.Millisecond, "the second was sent")
	since := time.Now()
	require.Eventually(t, func() bool { return time.Since(since) > 1500*time.Millisecond }, patience, 100*time.Millisecond)
	require.NotErrorIs(t, b.Health(), rabbitmq.ErrQueueDown, "it answers nobody")
	tell(t, node, hung, "suspend")
	node.SetMemoryAlarm(t, false)
	require.Eventually(t, func() bool { return errors.Is(b.Health(), rabbitmq.ErrQueueDown) }, patience, time.Millisecond)
	require.ErrorContains(t, b.Health(), hung)
	tell(t, node, hung, "resume")
	require.NoError(t, <-published)
}
