package rabbitmq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/rabbitmqtest"
	"github.com/gowarren/warren/processor"
)

func located(t *testing.T, locator string) broker.Topology {
	t.Helper()
	return broker.Topology{Queues: []broker.Queue{{Name: name(t), Arguments: processor.Headers{"x-queue-master-locator": locator}}}}
}

// RabbitMQ 4.3 closes the connection over the argument, and the queues that have it are there: their operator
// permits it, which a client cannot see. Such a queue was refused, to be declared and to be consumed.
func TestAQueueWithALocatorThatTheOperatorPermitsIsConsumed(t *testing.T) {
	t.Parallel()
	var permitted []rabbitmqtest.Option
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		permitted = append(permitted, rabbitmqtest.Config("deprecated_features.permit.queue_master_locator = true"))
	}
	node := rabbitmqtest.Start(t, permitted...)
	b, topology := open(t, node.URL()), located(t, "min-masters")
	require.NoError(t, b.Declare(within(t), topology))
	require.NoError(t, subscribing(t, b, topology.Queues[0].Name, broker.ConsumerOptions{}))
	node.CloseConnections(t, "a new session")
	require.NoError(t, subscribing(t, b, topology.Queues[0].Name, broker.ConsumerOptions{}))
}

// It is asked for once, and not on each new session.
func TestALocatorThatIsNotPermittedIsAnError(t *testing.T) {
	t.Parallel()
	b := open(t, rabbitmqtest.Shared(t).URL())
	works := broker.Topology{Queues: []broker.Queue{{Name: name(t)}}}
	if rabbitmqtest.Version(t).AtLeast(4, 3) {
		require.ErrorContains(t, b.Declare(within(t), located(t, "min-masters")), "is deprecated")
	}
	if !rabbitmqtest.Version(t).AtLeast(4, 0) {
		staysConnected(t, b, "a locator that crashes 3.10", func() error { return b.Declare(within(t), located(t, "anywhere")) })
	}
	require.NoError(t, b.Declare(within(t), works))
	require.NoError(t, subscribing(t, b, works.Queues[0].Name, broker.ConsumerOptions{}))
}
