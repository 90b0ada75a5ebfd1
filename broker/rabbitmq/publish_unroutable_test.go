package rabbitmq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

// A missing exchange would close the shared channel.
func TestAMissingExchangeLeavesTheOtherPublishesUnhurt(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	queue := declareQueue(t, url, nil)
	tos := make([]processor.Destination, 60)
	for i := range tos {
		tos[i] = to(queue)
		if i%10 == 5 {
			tos[i] = processor.Destination{Exchange: queue + "-missing", RoutingKey: "k"}
		}
	}
	for i, err := range publishAll(t, b, tos) {
		if i%10 == 5 {
			require.ErrorIs(t, err, processor.ErrUnroutable)
			require.ErrorContains(t, err, queue+"-missing")
		} else {
			require.NoError(t, err)
		}
	}
	ready(t, b, queue, 54)
}

func TestAnExchangeThatGoesAwayLaterIsNeverASuccess(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	require.NoError(t, b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("1")))
	require.NoError(t, ch.ExchangeDelete(x, false, false))

	err := b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("2"))
	require.ErrorIs(t, err, processor.ErrIndeterminate)
	require.ErrorContains(t, err, "404")
	err = b.Publisher().Publish(within(t), processor.Destination{Exchange: x}, text("3"))
	require.ErrorIs(t, err, processor.ErrUnroutable, "the next channel looks again")
	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("4")))
	ready(t, b, queue, 2)
}

func TestManyPublishesToAnExchangeThatIsNotInTheTopology(t *testing.T) {
	t.Parallel()
	url := rabbitmqtest.Shared(t).URL()
	b := open(t, url)
	x, queue := name(t), declareQueue(t, url, nil)
	ch := raw(t, url)
	require.NoError(t, ch.ExchangeDeclare(x, "fanout", true, false, false, false, nil))
	require.NoError(t, ch.QueueBind(queue, "", x, false, nil))
	tos := make([]processor.Destination, 3000)
	for i := range tos {
		tos[i] = processor.Destination{Exchange: x}
	}
	for _, err := range publishAll(t, b, tos) {
		require.NoError(t, err)
	}
	ready(t, b, queue, len(tos))
}

// More messages are unroutable at once than may wait on one channel.
func TestManyUnroutablePublishes(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	tos := make([]processor.Destination, 3000)
	for i := range tos {
		tos[i] = to("nobody")
	}
	for _, err := range publishAll(t, b, tos) {
		require.ErrorIs(t, err, processor.ErrUnroutable)
	}
}
