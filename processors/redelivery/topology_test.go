package redelivery_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/processor"
	"github.com/gowarren/warren/processors/redelivery"
)

func TestTopology(t *testing.T) {
	t.Parallel()
	arguments := processor.Headers{"x-quorum-initial-group-size": 3}
	got, err := redelivery.Topology(broker.Queue{Name: work, MaxLength: 1000, Arguments: arguments}, parked,
		redelivery.Retries(4), redelivery.Wait(time.Second, 3*time.Second))
	require.NoError(t, err)
	require.Equal(t, broker.Topology{Queues: []broker.Queue{
		{
			Name: work, Type: broker.Quorum, MaxLength: 1000, Overflow: broker.RejectPublish,
			DeadLetter: &broker.DeadLetter{RoutingKey: parked}, DeliveryLimit: 4 + redelivery.Margin,
			DelayedRetry: &broker.DelayedRetry{Min: time.Second, Max: 3 * time.Second},
			Arguments:    processor.Headers{"x-quorum-initial-group-size": 3, "x-dead-letter-strategy": "at-least-once"},
		},
		{Name: parked, Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit},
	}}, got)
	require.Len(t, arguments, 1, "the caller's are left alone")
}

func TestTopologyKeepsAHigherLimit(t *testing.T) {
	t.Parallel()
	got, err := redelivery.Topology(broker.Queue{Name: work, DeliveryLimit: 11}, parked, redelivery.Retries(10))
	require.NoError(t, err)
	require.Equal(t, 11, got.Queues[0].DeliveryLimit)
}

func TestTopologyRefuses(t *testing.T) {
	t.Parallel()
	for name, work := range map[string]broker.Queue{
		"no name":                     {},
		"the parked queue":            {Name: parked},
		"a classic queue":             {Name: work, Type: broker.Classic},
		"one that expires":            {Name: work, Expires: time.Minute},
		"one that goes":               {Name: work, AutoDelete: true},
		"waits of its own":            {Name: work, DelayedRetry: &broker.DelayedRetry{Min: time.Second, Max: time.Second}},
		"a limit before the layer's":  {Name: work, DeliveryLimit: redelivery.DefaultRetries},
		"another dead-letter target":  {Name: work, DeadLetter: &broker.DeadLetter{Exchange: "dlx"}},
		"dead letters at most once":   {Name: work, Overflow: broker.DropHead},
		"a limit as an argument":      {Name: work, Arguments: processor.Headers{"x-delivery-limit": 3}},
		"a strategy as an argument":   {Name: work, Arguments: processor.Headers{"x-dead-letter-strategy": "at-most-once"}},
		"a type as an argument":       {Name: work, Arguments: processor.Headers{"x-queue-type": "classic"}},
		"waits as arguments":          {Name: work, Arguments: processor.Headers{"x-delayed-retry-min": 3}},
		"an exclusive queue":          {Name: work, Exclusive: true},
		"one that ends with the node": {Name: work, Transient: true},
	} {
		_, err := redelivery.Topology(work, parked)
		require.Error(t, err, name)
	}
	_, err := redelivery.Topology(broker.Queue{Name: work}, parked, redelivery.Retries(-1))
	require.Error(t, err)
}
