package rabbitmq

import (
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
			return fmt.Errorf("declare queue %q: %w", q.Name, named(err))
		}
	}
	for _, b := range t.Bindings {
		err := ch.QueueBind(b.Queue, b.RoutingKey, b.Exchange, false, table(b.AllArguments()))
		if err != nil {
			return fmt.Errorf("bind queue %q to exchange %q: %w", b.Queue, b.Exchange, named(err))
		}
	}
	return nil
}

// shared is what any connection may declare: without the queues that belong to one, and
// their bindings.
func shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return q.Exclusive }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return exclusive[b.Queue] }),
	}
}
