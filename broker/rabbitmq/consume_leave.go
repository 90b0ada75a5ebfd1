package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// The broker passes 32 acks of a channel at a time to a quorum queue, holds back further ones, and
// forgets those when the channel is closed: of 150 messages acked at once, 100 were redelivered.
// Nothing tells when it has passed on the last. It took less than 5 ms.
const ackTime = 50 * time.Millisecond

// Closing a channel returns before a quorum queue knows of it. A consumer that subscribes at this
// moment receives what is behind the messages that are about to be requeued. Unless the queue
// reports sooner that one consumer is gone, it is given this long. Consumers that subscribe in this
// time hide the departure.
const returnTimeout = 500 * time.Millisecond

// leave closes the channel of a generation, and returns when what was unsettled on it is requeued.
func (s *subscription) leave(last *generation) {
	ctx, cancel := context.WithTimeout(s.broker.life.Context(), ackTime+returnTimeout)
	defer cancel()
	_ = last.acks.Flush() // fails only if the channel is lost
	if last.givesBackAtOnce() {
		s.settle(ctx, last)
		last.shut()
		return
	}
	s.leaveByClosing(ctx, last)
}

// settle returns when no message is on its way to the consumer: its prefetch is used up, or none
// came for a moment and the queue has none ready. A quorum queue itself requeues what is on its way
// to a cancelled consumer, ahead of the messages before it.
//
// Acks on their way to the queue need no time here: cancelling the consumer sends them on. In a
// pause, where it is cancelled already, they do.
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

// leaveByClosing is leave where closing the channel requeues what is unsettled. In a pause that has
// requeued the messages one by one there is nothing to wait for: the consumer is gone.
//
// Cancelling the consumer first would also wait for the acks, but would requeue the messages on
// their way to it one by one.
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
