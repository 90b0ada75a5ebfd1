package delay_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
)

func TestAWorkQueueThatLosesNothingAtItsLimit(t *testing.T) {
	t.Parallel()
	type h = processor.Headers
	parked := &broker.DeadLetter{RoutingKey: "parked"}
	atLeastOnce := h{"x-dead-letter-strategy": "at-least-once"}
	for name, tc := range map[string]struct {
		work   broker.Queue
		parked string
		want   broker.Queue // the zero value is work as it is
		err    string
	}{
		"classic":            {work: broker.Queue{Type: broker.Classic}, parked: "parked"},
		"of no type":         {parked: "parked"},
		"with dead letters":  {work: broker.Queue{Type: broker.Quorum, DeadLetter: &broker.DeadLetter{Exchange: "x"}, DeliveryLimit: 3}, parked: "parked"},
		"never reached":      {work: broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, parked: "parked"},
		"RabbitMQ's none":    {work: broker.Queue{Type: broker.Quorum, Arguments: h{"x-delivery-limit": -1}}, parked: "parked"},
		"parked":             {broker.Queue{Type: broker.Quorum}, "parked", broker.Queue{Type: broker.Quorum, DeadLetter: parked, DeliveryLimit: delay.DeliveryLimit, Overflow: broker.RejectPublish, Arguments: atLeastOnce}, ""},
		"its own limit":      {broker.Queue{Type: broker.Quorum, DeliveryLimit: 3}, "parked", broker.Queue{Type: broker.Quorum, DeadLetter: parked, DeliveryLimit: 3, Overflow: broker.RejectPublish, Arguments: atLeastOnce}, ""},
		"the same, and more": {broker.Queue{Arguments: h{"x-queue-type": "quorum", "x-delivery-limit": 3, "x-overflow": "reject-publish"}}, "parked", broker.Queue{DeadLetter: parked, Arguments: h{"x-queue-type": "quorum", "x-delivery-limit": 3, "x-overflow": "reject-publish", "x-dead-letter-strategy": "at-least-once"}}, ""},
		"as it was asked for": {
			broker.Queue{Type: broker.Quorum, Overflow: broker.DropHead}, "parked",
			broker.Queue{Type: broker.Quorum, DeadLetter: parked, DeliveryLimit: delay.DeliveryLimit, Overflow: broker.DropHead}, "",
		},
		"nowhere to park":      {broker.Queue{Type: broker.Quorum}, "", broker.Queue{Type: broker.Quorum, DeliveryLimit: broker.HighDeliveryLimit}, ""},
		"what expires":         {broker.Queue{Type: broker.Quorum, MessageTTL: time.Second}, "parked", broker.Queue{Type: broker.Quorum, MessageTTL: time.Second, DeliveryLimit: broker.HighDeliveryLimit}, ""},
		"what has no room":     {broker.Queue{Type: broker.Quorum, MaxLength: 7}, "parked", broker.Queue{Type: broker.Quorum, MaxLength: 7, DeliveryLimit: broker.HighDeliveryLimit}, ""},
		"a limit, no place":    {work: broker.Queue{Type: broker.Quorum, DeliveryLimit: 3}, err: "nowhere to put what is over it"},
		"a limit, by bytes":    {work: broker.Queue{Type: broker.Quorum, DeliveryLimit: 3, Arguments: h{"x-max-length-bytes": 5}}, parked: "parked", err: "it would get what has no room as well"},
		"a limit of 0, no TTL": {work: broker.Queue{Type: broker.Quorum, Arguments: h{"x-delivery-limit": 0}}, err: "has the delivery limit 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.work.Name, tc.want.Name = "mail", "mail"
			before := tc.work.Arguments.Clone()
			limited := func(work broker.Queue) (broker.Queue, error) {
				t, err := delay.Work{Queue: work, Parked: broker.Queue{Name: tc.parked}}.Topology()
				return append(t.Queues, broker.Queue{})[0], err
			}
			got, err := limited(tc.work)
			require.Equal(t, before, tc.work.Arguments.Clone(), "it is not written to")
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			if len(tc.want.AllArguments()) == 0 {
				tc.want = tc.work
			}
			require.Equal(t, tc.want, got)
			again, err := limited(got)
			require.NoError(t, err)
			require.Equal(t, got, again, "two topologies of one work queue agree")
			require.NoError(t, broker.Topology{Queues: []broker.Queue{got}}.Validate())
		})
	}
}
