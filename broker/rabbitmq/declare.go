package rabbitmq

import (
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
)

// declare declares t on ch. The first thing that is refused closes ch and ends it.
func declare(ch *amqp.Channel, t broker.Topology) error {
	for _, x := range t.Exchanges {
		err := ch.ExchangeDeclare(x.Name, string(x.Kind), !x.Transient, x.AutoDelete, x.Internal, false, table(x.AllArguments()))
		if err != nil {
			return fmt.Errorf("declare exchange %q: %w", x.Name, named(err))
		}
	}
	for _, q := range t.Queues {
		_, err := ch.QueueDeclare(q.Name, !q.Transient, q.AutoDelete, q.Exclusive, false, table(q.AllArguments()))
		if err != nil {
			return fmt.Errorf("declare queue %q: %w", q.Name, ofQueue(q.Name, named(err)))
		}
	}
	for _, b := range t.Bindings {
		err := ch.QueueBind(b.Queue, b.RoutingKey, b.Exchange, false, table(b.AllArguments()))
		if err != nil {
			return fmt.Errorf("bind queue %q to exchange %q: %w", b.Queue, b.Exchange, vanished(t, b.Exchange, b.Queue, ofQueue(b.Queue, named(err))))
		}
	}
	return nil
}

// vanished is err, or that what it misses was declared a moment ago. The exclusive queues of a
// lost connection, their auto-delete exchanges, and auto-delete queues take their time to go,
// and may do so right after they were found to be there. That passes.
func vanished(t broker.Topology, exchange, queue string, err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	declared := missing(e, "exchange") && slices.ContainsFunc(t.Exchanges, func(x broker.Exchange) bool { return x.Name == exchange }) ||
		missing(e, "queue") && slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.Name == queue })
	if !declared {
		return err
	}
	// Told, and not wrapped: its code would be taken for one that stays.
	return fmt.Errorf("it was there a moment ago, when it was declared: %v", err) //nolint:errorlint // see above
}

// shared is what any connection may declare: without the queues that belong to one, and
// their bindings.
func shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return filtered(t, func(queue string) bool { return !exclusive[queue] })
}

// filtered returns t with only the queues that are to be kept, and their bindings.
func filtered(t broker.Topology, keep func(queue string) bool) broker.Topology {
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return !keep(q.Name) }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return !keep(b.Queue) }),
	}
}
