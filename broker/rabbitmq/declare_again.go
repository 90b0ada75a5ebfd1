package rabbitmq

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
)

// Redeclare creates what t lists, once: new channels do not declare it again. A queue
// that was there and expires ([broker.Queue.Expires]) begins its time anew; RabbitMQ does
// that for classic queues only. Errors are those of Declare. It is called before each
// publish to such a queue, and so it keeps the channels that it asks on. A queue that is not
// answered for in 10 s is [ErrQueueDown], at once for as long as there is no answer.
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

// redeclarer holds those that nobody uses right now; nil is one that is yet to come. A
// question that is not answered costs a declarer its channel, and keeps nobody waiting.
type redeclarer chan *declarer

func newRedeclarer() redeclarer {
	r := make(redeclarer, redeclareChannels)
	for range redeclareChannels {
		r <- nil
	}
	return r
}

func (r redeclarer) declare(ctx context.Context, b *Broker, t broker.Topology) error {
	var d *declarer
	select {
	case d = <-r:
	case <-ctx.Done():
		return ended(ctx)
	case <-b.life.Done():
		return errClosed
	}
	defer func() { r <- d }()
	session, err := b.session(ctx)
	if err != nil {
		return err
	}
	if d == nil || d.session != session {
		d = b.onConsuming.declarer(session)
	}
	return d.declare(ctx, renewed(t), answerTimeout)
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
