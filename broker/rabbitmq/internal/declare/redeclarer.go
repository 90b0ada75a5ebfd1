package declare

import (
	"context"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
)

// redeclareChannels is how many calls of Redeclare run at the same time.
const redeclareChannels = 4

// Redeclarer declares topologies that its callers choose, and keeps its channels.
type Redeclarer struct {
	declarations *Declarations
	open         func(context.Context) (*failover.Session, *amqp.Channel, error)
	// idle are the declarers not in use; nil is one not made yet. A question that is not answered
	// costs a declarer its channel, and delays no caller.
	idle chan *Declarer
}

// NewRedeclarer returns a redeclarer that opens its channels with open.
func NewRedeclarer(d *Declarations, open func(context.Context) (*failover.Session, *amqp.Channel, error)) *Redeclarer {
	r := &Redeclarer{declarations: d, open: open, idle: make(chan *Declarer, redeclareChannels)}
	for range redeclareChannels {
		r.idle <- nil
	}
	return r
}

// Declare declares t once. For a queue that expires, the time begins anew.
func (r *Redeclarer) Declare(ctx context.Context, t broker.Topology) error {
	var d *Declarer
	select {
	case d = <-r.idle:
	case <-ctx.Done():
		return life.Ended(ctx)
	case <-r.declarations.life.Context().Done():
		return life.ErrClosed
	}
	defer func() { r.idle <- d }()
	if d == nil || d.session.Err() != nil || !d.isOpen() {
		session, ch, err := r.open(ctx)
		if err != nil {
			return err
		}
		d = r.declarations.Declarer(session, ch)
	}
	return d.Declare(ctx, renewed(t), life.AnswerTimeout)
}

// renewed lists twice what expires. RabbitMQ may answer a declare, which starts the time anew, and
// still remove the queue: its time had run out by then, and the queue finds out after the answer.
// What is published then is confirmed and lost. The queue finds out before it reads the next
// declare, which creates it if it is gone, and otherwise proves that it will live.
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
