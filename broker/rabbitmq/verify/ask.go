package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/internal/amqpwire"
)

// maxRounds bounds how many differences of one exchange or queue are found.
const maxRounds = 40

// contrary is an argument with a type that RabbitMQ accepts for no queue: it knows the argument for
// streams only, as text. RabbitMQ does not look at it when it compares with an existing queue, and
// never creates a queue with it.
const contrary = "x-max-age"

// everyBroker lists the exchange kinds of every RabbitMQ.
var everyBroker = []broker.Kind{broker.Direct, broker.Topic, broker.Fanout, broker.HeadersKind}

var (
	// errGone means that it does not exist.
	errGone = errors.New("it does not exist")
	// errUnseen means that the broker does not tell; the text says why.
	errUnseen = errors.New("the broker does not tell")
)

// askQueue returns the attributes of the live queue, starting from q, without creating it.
func (v *verification) askQueue(ctx context.Context, q broker.Queue) (attributes, error) {
	live := queueAttributes(q)
	if err := v.canAsk(live); err != nil {
		return nil, err
	}
	return live, v.adopt(live, fmt.Sprintf("queue '%s'", q.Name), "", func() error {
		arguments := amqpwire.Table(live.arguments())
		arguments[contrary] = int32(0)
		return v.broker.Ask(ctx, func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(q.Name, live.flag(durableField), live.flag(autoDeleteField), false, false, arguments)
			return err
		})
	})
}

// canAsk says why declaring a would find nothing out.
func (v *verification) canAsk(a attributes) error {
	_, taken := a[contrary]
	switch {
	case !v.server.Compares():
		return fmt.Errorf("%w: it is no RabbitMQ from 3.10 on", errUnseen)
	case taken, a.queueType() != string(broker.Classic) && a.queueType() != string(broker.Quorum):
		return fmt.Errorf("%w: asking without creating works for classic and quorum queues", errUnseen)
	case a["x-queue-master-locator"] != nil && v.server.From(4, 3):
		return fmt.Errorf("%w: RabbitMQ from 4.3 on closes the connection over x-queue-master-locator, unless it is permitted", errUnseen)
	case a.text(kindField) != "" && !slices.Contains(everyBroker, broker.Kind(a.text(kindField))):
		return fmt.Errorf("%w: an exchange of a plugin that is not enabled would end the connection", errUnseen)
	}
	return nil
}

// askExchange is askQueue for an exchange. Its alternate has a type that cannot be created; the
// broker compares it last, and then tells the live one.
func (v *verification) askExchange(ctx context.Context, x broker.Exchange) (attributes, error) {
	live := exchangeAttributes(x)
	if err := v.canAsk(live); err != nil {
		return nil, err
	}
	return live, v.adopt(live, fmt.Sprintf("exchange '%s'", x.Name), alternateArg, func() error {
		if err := v.canAsk(live); err != nil {
			return err // it turned out to be of a plugin's kind
		}
		arguments := amqpwire.Table(live.arguments())
		arguments[alternateArg] = int32(0)
		return v.broker.Ask(ctx, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x.Name, live.text(kindField), live.flag(durableField), live.flag(autoDeleteField), live.flag(internalField), false, arguments)
		})
	})
}

// adopt changes live until the broker has no more differences, or until it has told last. An error
// other than errGone and errUnseen is one of the connection.
func (v *verification) adopt(live attributes, what, last string, declare func() error) error {
	asked := map[string]bool{}
	for range maxRounds {
		err := declare()
		if err == nil {
			return nil
		}
		d, ok := readDifference(err, what, live)
		if !ok {
			return refusal(err)
		}
		if !d.known || asked[d.name] {
			live[d.name] = d.value
			return fmt.Errorf("%w all: it differs in %s, and what follows cannot be seen", errUnseen, d.name)
		}
		asked[d.name] = true
		if d.value == nil {
			delete(live, d.name)
		} else {
			live[d.name] = d.value
		}
		if d.name == last {
			return nil
		}
	}
	return fmt.Errorf("%w all: there are more than %d differences", errUnseen, maxRounds)
}

// refusal sorts the broker's errors that are not differences.
func refusal(err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) || errors.Is(err, errUnseen) {
		return err
	}
	switch {
	case e.Code == amqp.PreconditionFailed && (strings.Contains(e.Reason, "invalid arg '"+contrary) || strings.Contains(e.Reason, "for arg '"+alternateArg)):
		return errGone // the broker tried to create it
	case e.Code == amqp.AccessRefused, e.Code == amqp.NotFound, e.Code == amqp.ResourceLocked, e.Code == amqp.PreconditionFailed:
		return fmt.Errorf("%w: %s", errUnseen, e.Reason)
	}
	return err
}
