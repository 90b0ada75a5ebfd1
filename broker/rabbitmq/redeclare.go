package rabbitmq

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
)

// Redeclare creates what t lists, once: new channels do not declare it again. A queue
// that was there and expires ([broker.Queue.Expires]) begins its time anew; RabbitMQ does
// that for classic queues only. Errors are those of Declare. It is called before each
// publish to such a queue, and so it keeps the channels that it asks on.
func (b *Broker) Redeclare(ctx context.Context, t broker.Topology) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := b.redeclarer.declare(ctx, b, t); err != nil {
		return fmt.Errorf("rabbitmq: %w", b.overOr(err))
	}
	return nil
}

// redeclareChannels is how many calls of Redeclare are answered at the same time.
const redeclareChannels = 4

// redeclarer holds the channels that nobody uses right now; nil is one that is not open.
type redeclarer chan *amqp.Channel

func newRedeclarer() redeclarer {
	r := make(redeclarer, redeclareChannels)
	for range redeclareChannels {
		r <- nil
	}
	return r
}

func (r redeclarer) declare(ctx context.Context, b *Broker, t broker.Topology) error {
	var ch *amqp.Channel
	select {
	case ch = <-r:
	case <-ctx.Done():
		return ended(ctx)
	case <-b.life.Done():
		return errClosed
	}
	ch, err := b.channelFor(ctx, ch, t)
	if err != nil {
		r <- ch
		return err
	}
	_, err = call(ctx, &b.background, func() (struct{}, error) {
		defer func() { r <- ch }() // only now: the answer may come after ctx has ended
		return struct{}{}, declare(ch, renewed(t))
	}, func(struct{}) {})
	return err
}

// channelFor returns a channel that t can be declared on: ch, if it is still open.
func (b *Broker) channelFor(ctx context.Context, ch *amqp.Channel, t broker.Topology) (*amqp.Channel, error) {
	session, err := b.session(ctx) // that of ch, if it is open
	if err == nil {
		err = serverOf(session.ServerProperties()).lacks(t)
	}
	if err != nil || ch != nil && !ch.IsClosed() {
		return ch, err
	}
	ch, err = session.Channel(ctx)
	return ch, closedOr(err)
}

// renewed lists twice what expires. RabbitMQ may answer a declare, which starts the time
// anew, and remove the queue all the same, because the time had run out at that moment
// and the queue finds out after the answer. What is published then is confirmed and lost.
// It finds out before it reads the next declare, which creates the queue if it is gone,
// and otherwise proves that it will live.
func renewed(t broker.Topology) broker.Topology {
	var queues []broker.Queue
	for _, q := range t.Queues {
		queues = append(queues, q)
		if _, expires := q.AllArguments()["x-expires"]; expires {
			queues = append(queues, q)
		}
	}
	t.Queues = queues
	return t
}
