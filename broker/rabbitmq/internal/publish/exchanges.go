package publish

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// lookUp is the question whether an exchange exists, asked once for each channel. Publishing to a
// missing one would close the shared channel.
type lookUp struct {
	done chan struct{}
	err  error // set before done is closed
}

// found is the answer that needs no question.
var found = func() *lookUp {
	done := make(chan struct{})
	close(done)
	return &lookUp{done: done}
}()

// exists returns nil if the exchange does. The first caller starts the question in the background,
// and its answer serves all callers meanwhile.
func (c *confirmChannel) exists(ctx context.Context, b *Broker, exchange string) error {
	c.mu.Lock()
	l := c.exchanges[exchange]
	first := l == nil
	if first {
		l = &lookUp{done: make(chan struct{})}
		c.exchanges[exchange] = l
	}
	c.mu.Unlock()
	if first && !c.life.Go(func() { c.look(b, exchange, l) }) { //nolint:contextcheck // it answers all callers
		c.forget(exchange)
		l.err = life.ErrClosed
		close(l.done)
	}
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return life.Ended(ctx)
	}
}

func (c *confirmChannel) look(b *Broker, exchange string, l *lookUp) {
	defer close(l.done)
	err := b.Ask(c.life.Context(), func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(exchange, string(broker.Direct), true, false, false, false, nil)
	})
	if err == nil {
		return
	}
	c.forget(exchange) // it may be declared later
	var e *amqp.Error
	switch {
	case errors.As(err, &e) && amqpwire.Missing(e, "exchange"):
		l.err = fmt.Errorf("%w: the exchange does not exist: %w", processor.ErrUnroutable, err)
	case errors.As(err, &e) && e.Code == amqp.AccessRefused:
		// From 4.3 on, and only to a user without any permission on the exchange.
		l.err = fmt.Errorf("%w: %w", processor.ErrForbidden, err)
	case errors.Is(err, failover.ErrLost), errors.Is(err, amqp.ErrClosed):
		l.err = errNotSent // ask again
	default:
		l.err = err
	}
}

func (c *confirmChannel) learn(exchange string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanges[exchange] = found
}

func (c *confirmChannel) forget(exchange string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.exchanges, exchange)
}
