package rabbitmq

import (
	"context"
	"fmt"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/declare"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
)

// Declare creates what t lists, and does so again on every new connection, and when a channel is
// lost, for as long as the broker is open. What exists with other arguments is
// [broker.ErrMismatch]; RabbitMQ's text names both values. What the server would silently ignore,
// such as a delayed retry before 4.3, is [broker.ErrUnsupported], and nothing is declared; a
// subscription that reaches such a server later, by a failover, ends with that error. A dead-letter
// target that does not exist is logged as a warning: RabbitMQ silently drops what is sent there. An
// exclusive queue belongs to the consuming connection, and is declared again when that is replaced.
//
// A new quorum queue, while a majority of its nodes is down, is an error, and RabbitMQ closes the
// consuming connection over it after 15 s (541): its subscriptions begin anew. A declaration not
// answered in 10 s is an error too. So is a classic queue whose node is down: [ErrQueueDown], at
// once from RabbitMQ 3.10 and after the 10 s with 4.x. Once declared, such a queue is tried again
// in the background, and delays the other queues by no more than about 2 s.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	if err := t.Validate(); err != nil {
		return err
	}
	all, err := b.declared().Extend(t)
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if err := b.declareNow(ctx, t); err != nil {
		return fmt.Errorf("rabbitmq: %w", b.life.OverOr(err))
	}
	declare.WarnOfDeadEnds(ctx, b.life.Log, b.Ask, t, all)
	if session, err := b.consuming.Session(ctx); err == nil {
		declare.WarnOfLimits(b.life.Log, version.Of(session.ServerProperties()), t, all)
	}
	return nil
}

// declareNow declares t, now and on later sessions.
func (b *Broker) declareNow(ctx context.Context, t broker.Topology) error {
	session, ch, err := b.openChannel(ctx)
	if err != nil {
		return err
	}
	d := b.onConsuming.Declarer(session, ch)
	defer d.Close()
	if err := d.Declare(ctx, t, life.AnswerTimeout); err != nil {
		return err
	}
	b.mu.Lock()
	b.topology = b.topology.Merge(t)
	b.mu.Unlock()
	if session.Err() != nil {
		b.onConsuming.Outdate() // the next session may have declared the topology without t
	}
	return nil
}

// Redeclare creates what t lists, once: new channels do not declare it again. For an existing queue
// that expires ([broker.Queue.Expires]) the time begins anew; RabbitMQ does that for classic queues
// only. Errors are those of Declare. Redeclare is called before each publish to such a queue, so it
// keeps its channels. A queue not answered for in 10 s is [ErrQueueDown], and from then on at once
// until there is an answer.
func (b *Broker) Redeclare(ctx context.Context, t broker.Topology) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if err := b.redeclarer.Declare(ctx, t); err != nil {
		return fmt.Errorf("rabbitmq: %w", b.life.OverOr(err))
	}
	return nil
}

// declared returns what every new session declares.
func (b *Broker) declared() broker.Topology {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topology
}

// understood is t without what the server would silently ignore, or close the connection over. A
// subscription to a queue that the server lacks ends with an error; publishing, and consuming other queues,
// goes on. A queue that it may crash over is there already, unless it was deleted, and is not declared again:
// after an upgrade of the server each session would be lost over it.
func understood(s *failover.Session, t broker.Topology) broker.Topology {
	server := version.Of(s.ServerProperties())
	ignored := map[string]bool{}
	for _, q := range t.Queues {
		ignored[q.Name] = server.Lacks([]broker.Queue{q}) != nil || server.MayCrashOver(q)
	}
	return declare.Only(t, func(queue string) bool { return !ignored[queue] })
}

// ErrQueueDown is wrapped by the error of a queue that exists but cannot be used for now, such as a
// classic queue whose node is down. RabbitMQ 3.10 says so at once, with a 404; 4.x is silent for 78
// s.
var ErrQueueDown = reply.ErrQueueDown
