package declare

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/internal/amqpwire"
)

// Asker asks the broker something on a channel of its own.
type Asker func(context.Context, func(*amqp.Channel) error) error

// WarnOfDeadEnds logs the queues of t whose dead letters go nowhere, judged by known and the
// broker. It is no error: the target may be declared later, by another program.
func WarnOfDeadEnds(ctx context.Context, log *slog.Logger, ask Asker, t, known broker.Topology) {
	for _, q := range t.Queues {
		if q.DeadLetter == nil || leadsSomewhere(ctx, ask, *q.DeadLetter, known) {
			continue
		}
		log.Warn("dead-letter target does not exist; RabbitMQ drops what the queue rejects or lets expire, without a word",
			slog.String("queue", q.Name), slog.String("dead_letter_exchange", q.DeadLetter.Exchange),
			slog.String("dead_letter_routing_key", q.DeadLetter.RoutingKey))
	}
}

// WarnOfLimits logs each queue of t that loses messages at its delivery limit: without a place for
// what is over it, or with dead letters that known leads back to the queue. Package verify also
// looks at policies, and at queues that are quorum queues only because the vhost makes them so.
func WarnOfLimits(log *slog.Logger, s version.Server, t, known broker.Topology) {
	known = onServer(s, known)
	loops := known.Loops()
	for _, q := range onServer(s, t).Queues {
		loop := slices.IndexFunc(loops, func(l broker.Loop) bool { return l.Queues[0] == q.Name })
		limit, limited := q.Limit()
		_, kept := q.AllArguments()["x-dead-letter-exchange"]
		switch {
		case loop >= 0:
			log.Warn("dead letters lead back to their queue; RabbitMQ drops what a queue gives up there by itself as a cycle, or keeps it forever: "+
				"send them elsewhere, or give the queue broker.HighDeliveryLimit",
				slog.String("queue", q.Name), slog.String("loop", loops[loop].String()))
		case limited && !kept:
			log.Warn("a message that was delivered too often has nowhere to go; RabbitMQ drops it, without a word: "+
				"give the queue a dead-letter exchange, or broker.HighDeliveryLimit",
				slog.String("queue", q.Name), slog.Int64("delivery_limit", limit))
		}
	}
}

// onServer is t with the delivery limits that its quorum queues have there.
func onServer(s version.Server, t broker.Topology) broker.Topology {
	queues := make([]broker.Queue, len(t.Queues))
	for i, q := range t.Queues {
		queues[i] = s.AsItIs(q)
	}
	t.Queues = queues
	return t
}

// leadsSomewhere is true when in doubt.
func leadsSomewhere(ctx context.Context, ask Asker, d broker.DeadLetter, known broker.Topology) bool {
	if d.Exchange != "" {
		listed := slices.ContainsFunc(known.Exchanges, func(x broker.Exchange) bool { return x.Name == d.Exchange })
		return listed || exists(ctx, ask, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclarePassive(d.Exchange, string(broker.Direct), true, false, false, false, nil)
		})
	}
	if d.RoutingKey == "" {
		return true // the message's own key
	}
	if reply.Unaskable(d.RoutingKey) != "" {
		return false
	}
	listed := slices.ContainsFunc(known.Queues, func(q broker.Queue) bool { return q.Name == d.RoutingKey })
	return listed || exists(ctx, ask, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(d.RoutingKey, true, false, false, false, nil)
		return err
	})
}

// exists is false only if the broker says so.
func exists(ctx context.Context, ask Asker, passive func(*amqp.Channel) error) bool {
	err := ask(ctx, passive)
	var e *amqp.Error
	return !errors.As(err, &e) || !amqpwire.Missing(e, "queue") && !amqpwire.Missing(e, "exchange")
}
