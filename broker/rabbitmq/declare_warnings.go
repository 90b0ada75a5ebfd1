package rabbitmq

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/amqpwire"
)

// warnOfDeadEnds logs the queues of t whose dead letters go nowhere, as far as known and
// the broker tell. It is no error: somebody else may declare the target later.
func (b *Broker) warnOfDeadEnds(ctx context.Context, t, known broker.Topology) {
	for _, q := range t.Queues {
		if q.DeadLetter == nil || b.leadsSomewhere(ctx, *q.DeadLetter, known) {
			continue
		}
		b.log.Warn("dead-letter target does not exist; RabbitMQ drops what the queue rejects or lets expire, without a word",
			slog.String("queue", q.Name), slog.String("dead_letter_exchange", q.DeadLetter.Exchange),
			slog.String("dead_letter_routing_key", q.DeadLetter.RoutingKey))
	}
}

// warnOfLimits logs the queues of t that lose messages at their delivery limit, one line for
// each: those without a place for what is over it, and those whose dead letters lead back to
// them, as far as known tells. Package verify sees the rest: policies, and queues that are
// quorum queues only because the vhost makes them so.
func (b *Broker) warnOfLimits(s server, t, known broker.Topology) {
	known = onServer(s, known)
	loops := known.Loops()
	for _, q := range onServer(s, t).Queues {
		loop := slices.IndexFunc(loops, func(l broker.Loop) bool { return l.Queues[0] == q.Name })
		limit, limited := q.Limit()
		_, kept := q.AllArguments()["x-dead-letter-exchange"]
		switch {
		case loop >= 0:
			b.log.Warn("dead letters lead back to their queue; RabbitMQ drops what a queue gives up there by itself as a cycle, or holds it for ever: "+
				"send them elsewhere, or give the queue broker.HighDeliveryLimit",
				slog.String("queue", q.Name), slog.String("loop", loops[loop].String()))
		case limited && !kept:
			b.log.Warn("a message that was delivered too often has nowhere to go; RabbitMQ drops it, without a word: "+
				"give the queue a dead-letter exchange, or broker.HighDeliveryLimit",
				slog.String("queue", q.Name), slog.Int64("delivery_limit", limit))
		}
	}
}

// onServer is t with the delivery limits that its quorum queues have there.
func onServer(s server, t broker.Topology) broker.Topology {
	queues := make([]broker.Queue, len(t.Queues))
	for i, q := range t.Queues {
		queues[i] = s.AsItIs(q)
	}
	t.Queues = queues
	return t
}

// leadsSomewhere is true in doubt.
func (b *Broker) leadsSomewhere(ctx context.Context, d broker.DeadLetter, known broker.Topology) bool {
	if d.Exchange != "" {
		listed := slices.ContainsFunc(known.Exchanges, func(x broker.Exchange) bool { return x.Name == d.Exchange })
		return listed || b.exists(ctx, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(d.Exchange, string(broker.Direct), true, false, false, false, nil)
		})
	}
	if d.RoutingKey == "" {
		return true // the message's own key
	}
	listed := slices.ContainsFunc(known.Queues, func(q broker.Queue) bool { return q.Name == d.RoutingKey })
	return listed || b.exists(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(d.RoutingKey, true, false, false, false, nil)
		return err
	})
}

// exists is false if the broker says that it does not.
func (b *Broker) exists(ctx context.Context, passive func(*amqp.Channel) error) bool {
	_, err := ask(ctx, b, func(ch *amqp.Channel) (struct{}, error) { return struct{}{}, passive(ch) })
	var e *amqp.Error
	return !errors.As(err, &e) || !amqpwire.Missing(e, "queue") && !amqpwire.Missing(e, "exchange")
}
