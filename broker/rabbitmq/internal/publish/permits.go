package publish

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/processor"
)

// maxPermits bounds the places that are remembered: a sender may choose the keys.
const maxPermits = 10_000

// permitted asks whether the connection may publish there, once, on a channel of its own: with a
// channel that the broker closes over a request, the replies to others are lost. For the default exchange
// one key stands for all: only the keys of a topic exchange have permissions.
func (c *confirmChannel) permitted(ctx context.Context, to processor.Destination) error {
	if c.replies == nil {
		return nil
	}
	if to.Exchange == "" {
		to.RoutingKey = ""
	}
	return c.learned.permits.ask(ctx, c.life, to, func() error { //nolint:contextcheck // it answers all callers
		err := c.tryTransaction(to)
		switch {
		case reply.Forbids(err, to):
			c.learned.denials.add(to, err)
			return fmt.Errorf("%w: %w", processor.ErrForbidden, err)
		case err != nil && c.session.Err() != nil:
			return errNotSent
		}
		return err
	})
}

// tryTransaction publishes to a place in a transaction that it takes back. RabbitMQ looks at the permissions
// when it gets the message, and routes it when the transaction is committed.
func (c *confirmChannel) tryTransaction(to processor.Destination) error {
	ch, err := c.session.Channel(c.life.Context())
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
