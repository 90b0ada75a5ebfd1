package direct

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/broker/rabbitmq/internal/publish"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// ErrNotSent is the error of a request before which its channel was lost. Nobody works on it.
var ErrNotSent = errors.New("the request was not sent")

// publisher sends requests on one channel.
type publisher struct {
	broker  *rabbitmq.Broker
	channel *channel
}

// Publish sends a request, and waits until the broker has stored it.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	if err := p.publish(ctx, to, e); err != nil {
		return fmt.Errorf("direct: publish to %s: %w", to, err)
	}
	return nil
}

func (p *publisher) publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	e.ReplyTo = replyTo
	e, err := broker.Prepare(to, e)
	if err != nil {
		return err
	}
	if err := publish.Takes(p.channel.session, to, e); err != nil {
		return err
	}
	if err := p.channel.refused.check(to, len(e.Body)); err != nil {
		return err
	}
	if err := p.exists(ctx, to.Exchange); err != nil {
		return err
	}
	if err := p.channel.session.Unblocked(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return p.channel.publish(ctx, &request{to: to, message: amqpwire.Publishing(e), answered: make(chan struct{})})
}

// publish sends r and waits for its answer.
func (c *channel) publish(ctx context.Context, r *request) error {
	select {
	case c.send <- r:
	case <-c.over:
		return fmt.Errorf("%w: %w", ErrNotSent, c.why)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrNotSent, ctx.Err())
	}
	select {
	case <-r.answered:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", processor.ErrIndeterminate, ctx.Err())
	}
}

// exists looks for the exchange on another channel: a request to one that is missing would close this
// one, with the replies of all calls.
func (p *publisher) exists(ctx context.Context, exchange string) error {
	if exchange == "" {
		return nil
	}
	if _, known := p.channel.exchanges.Load(exchange); known {
		return nil
	}
	err := p.broker.Ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(exchange, string(broker.Direct), true, false, false, false, nil)
	})
	var refused *amqp.Error
	switch {
	case err == nil:
		p.channel.exchanges.Store(exchange, true)
		return nil
	case errors.As(err, &refused) && amqpwire.Missing(refused, "exchange"):
		return fmt.Errorf("%w: the exchange does not exist: %w", processor.ErrUnroutable, err)
	case errors.As(err, &refused) && refused.Code == amqp.AccessRefused:
		return fmt.Errorf("%w: %w", processor.ErrForbidden, err)
	}
	return err
}
