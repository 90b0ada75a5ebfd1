package declare

import (
	"context"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
)

// redeclareChannels is how many calls of Redeclare are answered at the same time.
const redeclareChannels = 4

// Redeclarer declares what belongs to one moment, again and again, and keeps its channels.
type Redeclarer struct {
	declarations *Declarations
	session      func(context.Context) (*failover.Session, error)
	// idle are those that nobody uses right now; nil is one that is yet to come. A question that
	// is not answered costs a declarer its channel, and keeps nobody waiting.
	idle chan *Declarer
}

// NewRedeclarer returns one that declares on the sessions that it is given.
func NewRedeclarer(d *Declarations, session func(context.Context) (*failover.Session, error)) *Redeclarer {
	r := &Redeclarer{declarations: d, session: session, idle: make(chan *Declarer, redeclareChannels)}
	for range redeclareChannels {
		r.idle <- nil
	}
	return r
}

// Declare declares t once. What expires begins its time anew.
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
	session, err := r.session(ctx)
	if err != nil {
		return err
	}
	if d == nil || d.session != session {
		d = r.declarations.Declarer(session)
	}
	return d.Declare(ctx, renewed(t), life.AnswerTimeout)
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
