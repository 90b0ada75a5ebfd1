package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/internal/shortstring"
)

// seen is what is known of an exchange or a queue.
type seen struct {
	there bool
	down  string     // why the broker does not show it
	ready int        // messages of a queue
	live  attributes // nil: unknown
	kind  string     // the type of a queue planned without one; "" if unknown
}

// exchange looks an exchange up, once.
func (v *verification) exchange(ctx context.Context, name string) (seen, error) {
	if name == "" {
		return seen{there: true}, nil // the default exchange
	}
	if s, known := v.exchangesSeen[name]; known {
		return s, nil
	}
	if shortstring.Problem(name) != "" {
		return seen{}, nil // a policy may name it, and asking would close the connection
	}
	err := v.broker.Ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(name, string(broker.Direct), true, false, false, false, nil)
	})
	s, err := passively(err)
	if err == nil && s.there && s.down == "" {
		err = v.lookIntoExchange(ctx, name, &s)
	}
	v.exchangesSeen[name] = s
	return s, err
}

// queue looks a queue up, once.
func (v *verification) queue(ctx context.Context, name string) (seen, error) {
	if s, known := v.queuesSeen[name]; known {
		return s, nil
	}
	if reply.Unaskable(name) != "" {
		return seen{}, nil
	}
	var q amqp.Queue
	err := v.broker.Ask(ctx, func(ch *amqp.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	s, err := passively(err)
	if err == nil && s.there && s.down == "" {
		s.ready = q.Messages
		err = v.lookIntoQueue(ctx, name, &s)
	}
	v.queuesSeen[name] = s
	return s, err
}

// passively interprets the result of a passive declaration.
func passively(err error) (seen, error) {
	var (
		s seen
		e *amqp.Error
	)
	switch {
	case err == nil:
		s.there = true
	case !errors.As(err, &e):
		return s, err
	case amqpwire.Missing(e, "queue"), amqpwire.Missing(e, "exchange"):
	case e.Code == amqp.NotFound, e.Code == amqp.ResourceLocked, e.Code == amqp.AccessRefused:
		s.there, s.down = true, e.Reason
	default:
		return s, err
	}
	return s, nil
}

func (v *verification) lookIntoExchange(ctx context.Context, name string, s *seen) error {
	if v.managed != nil {
		s.live = v.managed.exchanges[name]
		v.listed(*s, fmt.Sprintf("exchange %q", name))
		return nil
	}
	x, planned := plannedExchange(v.plan, name)
	if !planned {
		return nil
	}
	live, err := v.askExchange(ctx, x)
	return v.told(s, live, err, fmt.Sprintf("exchange %q", name), x.AllArguments())
}

func (v *verification) lookIntoQueue(ctx context.Context, name string, s *seen) error {
	planned, _ := plannedQueue(v.plan, name)
	arguments := planned.AllArguments()
	if v.managed == nil {
		live, err := v.askQueue(ctx, planned)
		if err := v.told(s, live, err, fmt.Sprintf("queue %q", name), arguments); err != nil {
			return err
		}
		return v.askType(ctx, planned, s)
	}
	s.live = maps.Clone(v.managed.queues[name])
	v.listed(*s, fmt.Sprintf("queue %q", name))
	if _, typed := arguments[queueTypeArg]; typed || s.live.queueType() == string(broker.Classic) {
		return nil
	}
	// Its default type depends on the vhost: ask whether the live queue has it.
	live, err := v.askQueue(ctx, planned)
	if _, differs := live[queueTypeArg]; differs {
		return nil
	}
	s.kind = s.live.queueType()
	delete(s.live, queueTypeArg)
	return v.told(&seen{}, nil, err, fmt.Sprintf("the type of queue %q", name), nil)
}

// askType asks for the type that the vhost gave to a queue planned without one.
func (v *verification) askType(ctx context.Context, planned broker.Queue, s *seen) error {
	if _, typed := s.live[queueTypeArg]; typed || s.live == nil || planned.AllArguments()[queueTypeArg] != nil {
		return nil
	}
	planned.Type = broker.Classic
	live, err := v.askQueue(ctx, planned)
	switch {
	case errors.Is(err, errGone), errors.Is(err, errUnseen):
		return nil // reported already
	case err != nil:
		return err
	}
	s.kind = live.queueType()
	return nil
}

func (v *verification) listed(s seen, what string) {
	if s.live == nil {
		v.uncheckedf("what %s was declared with: management did not show it", what)
	}
}

// compared are the arguments that the broker compares.
var compared = []string{
	alternateArg, ttlArg, overflowArg, limitArg, queueTypeArg, "x-expires", "x-dead-letter-exchange",
	"x-dead-letter-routing-key", "x-dead-letter-strategy", "x-max-length", "x-max-length-bytes",
	"x-max-in-memory-length", "x-max-in-memory-bytes", "x-max-priority", "x-queue-mode", "x-queue-version",
	"x-single-active-consumer", "x-delayed-retry-type", "x-delayed-retry-min", "x-delayed-retry-max", "x-queue-master-locator", "x-queue-leader-locator", "x-quorum-initial-group-size",
}

// told notes what the broker told in answer to a declaration.
func (v *verification) told(s *seen, live attributes, err error, what string, arguments map[string]any) error {
	switch {
	case errors.Is(err, errGone):
		s.there = false
		return nil
	case errors.Is(err, errUnseen):
		v.uncheckedf("what %s was declared with: %v", what, err)
	case err != nil:
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		if !slices.Contains(compared, name) {
			v.uncheckedf("argument %q of %s: the broker does not compare it; use Management", name, what)
		}
	}
	s.live = live
	return nil
}
