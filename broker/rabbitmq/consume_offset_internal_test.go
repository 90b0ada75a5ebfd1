package rabbitmq

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/acks"
)

// unwired is a channel that takes every settlement.
type unwired struct{}

func (unwired) Ack(uint64, bool) error        { return nil }
func (unwired) Nack(uint64, bool, bool) error { return nil }
func (unwired) Reject(uint64, bool) error     { return nil }

// What a worker had just taken when the pause came was noted nowhere, and the next consumer began behind it.
func TestAStreamGoesOnWithWhatAPauseFoundInAWorkersHand(t *testing.T) {
	t.Parallel()
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%t", ordered), func(t *testing.T) {
			t.Parallel()
			o := broker.SubscribeOptions{Prefetch: 10, Ordered: ordered, Consumer: broker.ConsumerOptions{Offset: broker.OffsetNext}}
			g := &generation{
				options: o, shared: broker.NewChannel(o),
				acks: acks.New[*broker.Delivery](unwired{}, acks.Options{Prefetch: o.Prefetch, Ordered: ordered}),
			}
			defer g.shared.Lose(nil)
			g.acks.Pause()
			_, ok := g.receive(&amqp.Delivery{DeliveryTag: 1, Headers: amqp.Table{headerOffset: int64(7)}})
			require.False(t, ok)
			require.Equal(t, any(int64(7)), g.resumeAt(broker.OffsetNext))
		})
	}
}
