package rabbitmq_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func TestABrokerThatBlocksPublishingIsUnhealthyForThatOnly(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Start(t)
	b := open(t, node.URL())
	require.NoError(t, b.Health())
	node.SetMemoryAlarm(t, true)
	require.Error(t, b.Publisher().Publish(withinTime(t, 100*time.Millisecond), to("nowhere"), text("1")))

	err := b.Health()
	require.ErrorIs(t, err, failover.ErrBlocked)
	require.ErrorContains(t, err, "publishing connection")
	require.ErrorContains(t, err, "low on memory")
	require.NotContains(t, err.Error(), "consuming connection")
	require.ErrorIs(t, b.Publishing().Ready(), failover.ErrBlocked)
	require.NoError(t, b.Consuming().Ready())

	node.SetMemoryAlarm(t, false)
	require.Eventually(t, func() bool { return b.Health() == nil }, patience, time.Millisecond)
}

func TestHealthNamesTheConnectionThatIsLostAndWaitsForNothing(t *testing.T) {
	t.Parallel()
	w := newWire()
	b := open(t, rabbitmqtest.Shared(t).URL(), w.option(), rabbitmq.Failover(failover.Backoff(time.Hour, time.Hour)))
	w.cut(down)
	require.Eventually(t, func() bool {
		return b.Publishing().Ready() != nil && b.Consuming().Ready() != nil
	}, patience, time.Millisecond)
	err := b.Health()
	require.ErrorIs(t, err, failover.ErrLost)
	require.NotErrorIs(t, err, failover.ErrClosed, "it will come back")
	require.ErrorContains(t, err, "publishing connection")
	require.ErrorContains(t, err, "consuming connection")

	require.NoError(t, b.Close(within(t)))
	require.ErrorIs(t, b.Health(), failover.ErrClosed)
}

func TestTheStateOfAConnectionIsThereToWatch(t *testing.T) {
	t.Parallel()
	w := newWire()
	b := open(t, rabbitmqtest.Shared(t).URL(), w.option())
	phases := make(chan failover.Phase, 100)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for state := range b.Consuming().Watch(context.Background()) {
			phases <- state.Phase
		}
	}()
	require.Equal(t, failover.Connected, <-phases)
	require.NoError(t, b.Close(within(t)))
	<-watched
	close(phases)
	var last failover.Phase
	for last = range phases { //nolint:revive // the last one counts
	}
	require.Equal(t, failover.Closed, last)
}

func TestBothConnectionsHaveTheNewSecretAtTheNextDial(t *testing.T) {
	t.Parallel()
	node := rabbitmqtest.Shared(t)
	user := name(t)
	node.AddUser(t, user, "old", "/")
	w := newWire()
	b := open(t, node.URLFor(user, "old", "/"), w.option(), rabbitmq.Failover(failover.StableAfter(0)))
	node.SetPassword(t, user, "new")
	require.NoError(t, b.UpdateSecret(within(t), "new", "it was changed"))

	both := []*failover.Connection{b.Publishing(), b.Consuming()}
	opened := []time.Time{both[0].State().Since, both[1].State().Since}
	w.cut(newWire().dial)
	for i, c := range both {
		require.Eventually(t, func() bool {
			return c.Ready() == nil && c.State().Since.After(opened[i])
		}, patience, time.Millisecond)
		require.Empty(t, c.State().Unreachable)
	}
	require.NoError(t, b.Close(within(t)))
	require.ErrorIs(t, b.UpdateSecret(within(t), "newer", "too late"), failover.ErrClosed)
}

// A question that the broker refuses costs its own channel, and one that is not answered delays no
// other.
func TestAskHasAChannelOfItsOwn(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	queue := declareQueue(t, rabbitmqtest.Shared(t).URL(), nil)
	sub := subscribe(t, b, queue, 1)
	err := b.Ask(within(t), func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(name(t), true, false, false, false, nil)
		return err
	})
	var refused *amqp.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, amqp.NotFound, refused.Code)

	ctx, cancel := context.WithCancel(within(t))
	release := make(chan struct{})
	err = b.Ask(ctx, func(*amqp.Channel) error { cancel(); <-release; return nil })
	require.ErrorIs(t, err, context.Canceled)
	close(release)

	require.NoError(t, b.Publisher().Publish(within(t), to(queue), text("m")))
	require.NoError(t, receive(t, sub).Ack(), "the consumer's channel is another one")
	require.NoError(t, b.Close(within(t)))
	require.ErrorIs(t, b.Ask(within(t), func(*amqp.Channel) error { return nil }), processor.ErrClosed)
}

// A topology has no bindings between exchanges; the client has.
func TestAMessagePassesABindingBetweenExchanges(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	outer, inner, queue := name(t)+".outer", name(t)+".inner", name(t)
	require.NoError(t, b.Declare(within(t), broker.Topology{
		Exchanges: []broker.Exchange{{Name: outer, Kind: broker.Topic}, {Name: inner, Kind: broker.Fanout}},
		Queues:    []broker.Queue{{Name: queue}},
		Bindings:  []broker.Binding{{Exchange: inner, Queue: queue}},
	}))
	to := processor.Destination{Exchange: outer, RoutingKey: "orders.new"}
	require.ErrorIs(t, b.Publisher().Publish(within(t), to, text("too soon")), processor.ErrUnroutable)

	require.NoError(t, b.Ask(within(t), func(ch *amqp.Channel) error {
		return ch.ExchangeBind(inner, "orders.*", outer, false, nil)
	}))
	require.NoError(t, b.Publisher().Publish(within(t), to, text("through both")))
	msg := receive(t, subscribe(t, b, queue, 1))
	require.Equal(t, "through both", string(msg.Body()))
	require.Equal(t, outer, msg.Origin().Exchange)
	require.NoError(t, msg.Ack())
}
