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

// Declare creates what t lists, and again on every new connection, and when a channel is lost,
// for as long as the broker is open. What exists already with other arguments is [broker.ErrMismatch];
// RabbitMQ's text names both values. What the server would silently ignore, as one before 4.3
// does a delayed retry, is [broker.ErrUnsupported], and nothing is declared; a subscription
// that comes to such a server later, by a failover, ends with it. A dead-letter target that does not exist is logged as
// a warning: RabbitMQ drops what is sent there without a word. An exclusive queue belongs to the consuming
// connection, and is declared again when that one is replaced.
//
// A quorum queue that is new, while a majority of its nodes is down, is an error, and RabbitMQ
// closes the consuming connection over it after 15 s (541): the subscriptions on it begin
// anew. What is not answered in 10 s is an error too, and so is a classic queue whose node is
// down: [ErrQueueDown], at once from RabbitMQ 3.10 and after the 10 s with 4.x. Once declared,
// it is asked for again in the background, and keeps nobody from the other queues for more
// than about 2 s.
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

// declareNow declares t, and has it declared on the sessions to come.
func (b *Broker) declareNow(ctx context.Context, t broker.Topology) error {
	session, err := b.session(ctx)
	if err != nil {
		return err
	}
	d := b.onConsuming.Declarer(session)
	defer d.Close()
	if err := d.Declare(ctx, t, life.AnswerTimeout); err != nil {
		return err
	}
	b.mu.Lock()
	b.topology = b.topology.Merge(t)
	b.mu.Unlock()
	if session.Err() != nil {
		b.onConsuming.Outdate() // the next one may have declared what there was before
	}
	return nil
}

// Redeclare creates what t lists, once: new channels do not declare it again. A queue
// that was there and expires ([broker.Queue.Expires]) begins its time anew; RabbitMQ does
// that for classic queues only. Errors are those of Declare. It is called before each
// publish to such a queue, and so it keeps the channels that it asks on. A queue that is not
// answered for in 10 s is [ErrQueueDown], at once for as long as there is no answer.
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

// understood is t without what the server would silently ignore. A subscription to such a queue
// ends with an error; publishing, and consuming other queues, goes on.
func understood(s *failover.Session, t broker.Topology) broker.Topology {
	server := version.Of(s.ServerProperties())
	ignored := map[string]bool{}
	for _, q := range t.Queues {
		ignored[q.Name] = server.Ignores(q)
	}
	return declare.Only(t, func(queue string) bool { return !ignored[queue] })
}

// ErrQueueDown is wrapped by the error of a queue that exists and cannot be used for now: a
// classic one whose node is down, above all. RabbitMQ 3.10 says so at once, with a 404; 4.x
// says nothing, for 78 s.
var ErrQueueDown = reply.ErrQueueDown
