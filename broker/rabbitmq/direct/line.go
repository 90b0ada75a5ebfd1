package direct

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/processor"
)

// replyTo is the queue that stands for the consumer of the same channel.
const replyTo = "amq.rabbitmq.reply-to"

// Line sends requests and receives their replies on one channel of the broker's publishing
// connection, and opens the next when that is lost. Its methods may be called concurrently, but
// Receive by one goroutine.
type Line struct {
	broker *rabbitmq.Broker

	mu      sync.Mutex
	current *channel      // nil while there is none
	ready   chan struct{} // closed while there is one

	session *failover.Session // of the last channel
	refused *refusals         // by it
}

var _ processor.Checker = (*Line)(nil)

// Replies returns a line on b.
func Replies(b *rabbitmq.Broker) *Line { return &Line{broker: b, ready: make(chan struct{})} }

// Check returns an error if the broker is nil.
func (l *Line) Check() error {
	if l.broker == nil {
		return errors.New("direct: the broker is nil")
	}
	return nil
}

// Publisher waits until there is a channel, and returns its publisher. That sets the reply-to; the
// correlation id must be one that no other request has which is being published.
func (l *Line) Publisher(ctx context.Context) (processor.Publisher, error) {
	for {
		l.mu.Lock()
		c, ready := l.current, l.ready
		l.mu.Unlock()
		if c != nil {
			return &publisher{l.broker, c}, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			err := fmt.Errorf("direct: no channel for replies: %w", ctx.Err())
			if why := l.broker.Publishing().Ready(); why != nil {
				err = fmt.Errorf("%w: %v", err, why) //nolint:errorlint // it is no answer to the request
			}
			return nil, err
		}
	}
}

// Receive opens a channel if need be, and waits for the next reply, which is settled. Its error says
// why the channel was lost, or could not be opened.
func (l *Line) Receive(ctx context.Context) (processor.Message, error) {
	c, err := l.opened(ctx)
	if err != nil {
		return nil, fmt.Errorf("direct: open a channel for replies: %w", err)
	}
	select {
	case d, ok := <-c.replies:
		if ok {
			return message(&d), nil
		}
		l.leave()
		<-c.over
		return nil, fmt.Errorf("direct: the channel for replies is lost: %w", c.why)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// opened returns the channel. Only Receive opens one, so that there is one at most.
func (l *Line) opened(ctx context.Context) (*channel, error) {
	l.mu.Lock()
	c := l.current
	l.mu.Unlock()
	if c != nil {
		return c, nil
	}
	session, err := l.broker.Publishing().Session(ctx)
	if err != nil {
		return nil, err
	}
	if session != l.session {
		l.session, l.refused = session, &refusals{}
	}
	if c, err = open(ctx, session, l.refused); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.current = c
	close(l.ready)
	return c, nil
}

// leave makes publishers wait for the next channel.
func (l *Line) leave() *channel {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.current
	if c != nil {
		l.current, l.ready = nil, make(chan struct{})
	}
	return c
}

// Close closes the channel; replies to it are lost. It returns when ctx ends.
func (l *Line) Close(ctx context.Context) error {
	c := l.leave()
	if c == nil {
		return nil
	}
	return c.close(ctx)
}

// message is a reply, which the broker took for acked when it sent it.
func message(d *amqp.Delivery) processor.Message {
	reply := broker.NewDelivery(amqpwire.Envelope(d), processor.Origin{
		Queue: replyTo, Exchange: d.Exchange, RoutingKey: d.RoutingKey, Redelivered: d.Redelivered,
	}, acked{}, d.DeliveryTag)
	_ = reply.Ack()
	return reply
}

// acked settles nothing.
type acked struct{}

func (acked) Ack(uint64) error        { return nil }
func (acked) Nack(uint64, bool) error { return nil }
func (acked) Release(uint64) error    { return nil }
