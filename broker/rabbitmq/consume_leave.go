package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// The broker's end of a channel has 32 acks under way to a quorum queue, keeps back what
// comes meanwhile, and forgets it when the channel is closed: of 150 messages that were
// acked at once 100 came again. Nothing tells when it has passed on the last. It took less
// than 5 ms.
const ackTime = 50 * time.Millisecond

// Closing a channel returns before a quorum queue knows of it, and whoever subscribes in
// this moment is handed what is behind the messages that are about to come back. Unless
// the queue says sooner that one consumer is gone, it is given this long. Other consumers
// that come in this time hide that one has gone.
const returnTimeout = 500 * time.Millisecond

// leave closes the channel of a generation, and returns when what was unsettled on
// it is back in its queue.
func (s *subscription) leave(last *generation) {
	ctx, cancel := context.WithTimeout(s.broker.life.Context(), ackTime+returnTimeout)
	defer cancel()
	_ = last.acks.Flush() // an error is that of a channel that is gone
	if last.givesBackAtOnce() {
		s.settle(ctx, last)
		last.shut()
		return
	}
	s.leaveByClosing(ctx, last)
}

// settle returns when nothing is on its way to the consumer: its prefetch is used up, or
// nothing came for a moment and the queue has nothing ready. What is on its way to a consumer
// that is cancelled is returned by a quorum queue itself, ahead of the messages before it.
//
// Acks that are on their way to the queue need no time: cancelling sends them on. In a
// pause, which has cancelled already, they do.
func (s *subscription) settle(ctx context.Context, g *generation) {
	quiet := time.NewTimer(ackTime)
	defer quiet.Stop()
	deliveries := g.deliveries
	for deliveries == nil || !g.acks.Full() {
		select {
		case d, ok := <-deliveries:
			switch {
			case ok:
				g.acks.Came(d.DeliveryTag)
				quiet.Reset(ackTime)
			case g.used.Load():
				deliveries = nil // closed by a pause
			default:
				return
			}
		case <-quiet.C:
			if deliveries == nil || s.look(ctx).Messages == 0 {
				return
			}
			quiet.Reset(ackTime)
		case <-ctx.Done():
			return
		case <-g.shared.Life().Done():
			return
		}
	}
}

// leaveByClosing is leave where the end of the channel gives back what is unsettled. In a
// pause that has given back one by one there is nothing to wait for: the consumer is gone.
//
// The consumer is not cancelled first, which would be a way to wait for the acks: messages
// that are on their way to it would go back one by one.
func (s *subscription) leaveByClosing(ctx context.Context, last *generation) {
	if last.used.Load() {
		life.Sleep(ctx, ackTime)
	}
	before := 0
	if !last.hasStopped() {
		before = s.look(ctx).Consumers
	}
	last.shut()
	for before > 0 && s.look(ctx).Consumers >= before {
		life.Sleep(ctx, time.Millisecond)
	}
}

// look returns how many consumers and ready messages the queue has, or 0 if it does not say.
func (s *subscription) look(ctx context.Context) amqp.Queue {
	q, err := ask(ctx, s.broker, func(ch *amqp.Channel) (amqp.Queue, error) {
		return ch.QueueDeclarePassive(s.queue, true, false, false, false, nil)
	})
	if err != nil {
		return amqp.Queue{}
	}
	return q
}
