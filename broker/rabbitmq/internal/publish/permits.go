package publish

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// maxPermits bounds the places that are remembered: a sender may choose the keys.
const maxPermits = 10_000

// strayKey stands for all keys of an exchange. Only a topic exchange has permissions by key, and whoever may
// publish with some keys alone may hardly do so with this one.
const strayKey = "? warren ? may this be published ?"

// permitted asks whether the connection may publish there, once, on a channel of its own: with a
// channel that the broker closes over a request, the replies to others are lost. It asks for the exchange, and by
// key where the broker has refused a topic.
func (c *confirmChannel) permitted(ctx context.Context, to processor.Destination) error {
	if c.replies == nil {
		return nil
	}
	var err error
	byTopic := c.learned.denials.byTopic(to.Exchange)
	if !byTopic {
		err = c.learned.permits.ask(ctx, processor.Destination{Exchange: to.Exchange, RoutingKey: strayKey})
		byTopic = isTopic(err)
	}
	if byTopic {
		err = c.learned.permits.ask(ctx, to)
	}
	switch {
	case err == nil:
	case errors.Is(err, processor.ErrUnroutable):
		c.exchanges.drop(to.Exchange)
	case errors.Is(err, ctx.Err()):
		if _, blocked := c.session.Blocked(); blocked {
			return fmt.Errorf("%w: not sent: %w", processor.ErrBlocked, err)
		}
	}
	return err
}

// mayPublish returns nil if the connection may publish there.
func (l *learned) mayPublish(to processor.Destination) error {
	err := inTime(l.life, func(ctx context.Context) error { return l.tryTransaction(ctx, to) })
	var e *amqp.Error
	switch {
	case reply.Forbids(err, to):
		l.denials.add(to, err)
		return fmt.Errorf("%w: %w", processor.ErrForbidden, err)
	case errors.As(err, &e) && amqpwire.Missing(e, "exchange"):
		return noExchange(err)
	case err != nil && l.session.Err() != nil:
		return errNotSent
	}
	return err
}

// inTime asks a question. Without an answer it returns errNotSent: another channel may get one.
func inTime(l *life.Life, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(l.Context(), life.AnswerTimeout)
	defer cancel()
	err := life.Do(ctx, l, func() error { return question(ctx) })
	switch {
	case err == nil || ctx.Err() == nil:
		return err
	case l.Over():
		return life.ErrClosed
	}
	return errNotSent
}

// tryTransaction publishes to a place in a transaction that it takes back. RabbitMQ looks at the permissions
// when it gets the message, and routes it when the transaction is committed.
func (l *learned) tryTransaction(ctx context.Context, to processor.Destination) error {
	ch, err := l.session.Channel(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	err = errors.Join(ch.Tx(), ch.Publish(to.Exchange, to.RoutingKey, false, false, amqp.Publishing{}), ch.TxRollback())
	if err == nil || !ch.IsClosed() {
		return err
	}
	if why := <-closed; why != nil {
		return why
	}
	return err
}
