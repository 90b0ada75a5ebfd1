package publish

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// exists returns nil if the exchange does. Publishing to a missing one would close the shared channel.
func (c *confirmChannel) exists(ctx context.Context, exchange string) error {
	if exchange == "" {
		return nil
	}
	return c.exchanges.ask(ctx, exchange)
}

// look asks the broker for an exchange.
func (b *Broker) look(exchange string) error {
	err := b.Ask(b.Life.Context(), func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(exchange, string(broker.Direct), true, false, false, false, nil)
	})
	var e *amqp.Error
	switch {
	case errors.As(err, &e) && amqpwire.Missing(e, "exchange"):
		return noExchange(err)
	case errors.As(err, &e) && e.Code == amqp.AccessRefused:
		// From 4.3 on, and only to a user without any permission on the exchange.
		return fmt.Errorf("%w: %w", processor.ErrForbidden, err)
	case errors.Is(err, failover.ErrLost), errors.Is(err, amqp.ErrClosed):
		return errNotSent // ask again
	}
	return err
}

func noExchange(why error) error {
	return fmt.Errorf("%w: the exchange does not exist: %w", processor.ErrUnroutable, why)
}
