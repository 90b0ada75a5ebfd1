package rabbitmq

import (
	"fmt"
	"testing"
	"testing/synctest"

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

// A worker that was stopped between the two lines that take a message and note it was not waited for: the next consumer
// began behind its message.
func TestAStreamWaitsForAWorkerThatIsTakingAMessage(t *testing.T) {
	t.Parallel()
	for what, lost := range map[string]bool{"a pause": false, "a lost channel": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &subscription{stopped: make(chan struct{}), begin: broker.OffsetNext}
				s.options = broker.SubscribeOptions{Prefetch: 10, Consumer: broker.ConsumerOptions{Offset: broker.OffsetNext}}
				deliveries := make(chan amqp.Delivery)
				g := &generation{
					options: s.options, shared: broker.NewChannel(s.options), deliveries: deliveries,
					acks:     acks.New[*broker.Delivery](unwired{}, acks.Options{Prefetch: 10}),
					stopping: true,
				}
				s.set(g)
				taking := g.position.take() // as receive does
				s.Pause()
				close(deliveries)
				if lost {
					g.shared.Lose(nil)
				}
				begins := make(chan any)
				go func() {
					_ = g.giveBack()
					begins <- g.resumeAt(s.begin)
				}()
				synctest.Wait()
				select {
				case at := <-begins:
					t.Fatalf("the next consumer begins at %v, and a message is in nobody's books", at)
				default:
				}
				_, ok := g.receive(&amqp.Delivery{DeliveryTag: 1, Headers: amqp.Table{headerOffset: int64(7)}})
				require.False(t, ok)
				taking()
				require.Equal(t, any(int64(7)), <-begins)
				g.shared.Lose(nil)
			})
		})
	}
}
