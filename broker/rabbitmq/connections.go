package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
)

// Publishing returns the connection that publishes, to read its state, to watch it, or to run
// operations on it. It is the same one for the broker's whole life, whichever node it is on. Do not
// close it: the broker does.
func (b *Broker) Publishing() *failover.Connection { return b.publishing }

// Consuming returns the connection that consumes, declares and counts, with the same rules as
// [Broker.Publishing]. Do not publish on it: when RabbitMQ is low on memory or disk it stops
// reading from connections that publish, and this one carries the acks.
func (b *Broker) Consuming() *failover.Connection { return b.consuming }

// Ask calls f with a channel of its own on the consuming connection, and closes it when f has
// returned. It returns what f returns, or earlier when ctx ends: the client's calls cannot be
// cancelled, so f then goes on in the background, and what it sets must not be read. An
// [amqp.Error] is the broker's refusal; it costs this channel alone.
func (b *Broker) Ask(ctx context.Context, f func(*amqp.Channel) error) error {
	_, err := ask(ctx, b, func(ch *amqp.Channel) (struct{}, error) { return struct{}{}, f(ch) })
	return err
}

// UpdateSecret gives both connections a new password, or token, at the same time, and returns when
// both have taken it or have failed; see [failover.Connection.UpdateSecret]. A blocked connection
// does not take it before the block ends, but the next dial uses it whatever UpdateSecret returns.
func (b *Broker) UpdateSecret(ctx context.Context, password, reason string) error {
	return b.both("update secret", func(c *failover.Connection) error { return c.UpdateSecret(ctx, password, reason) })
}

// both calls f for the two connections at the same time: if a node hangs, neither waits for the
// other's time-out.
func (b *Broker) both(doing string, f func(*failover.Connection) error) error {
	var publishing, consuming error
	var running sync.WaitGroup
	running.Go(func() { publishing = f(b.publishing) })
	running.Go(func() { consuming = f(b.consuming) })
	running.Wait()
	return connections(doing, publishing, consuming)
}

// connections says which connection an error is of.
func connections(doing string, publishing, consuming error) error {
	if publishing != nil {
		publishing = fmt.Errorf("rabbitmq: %s: publishing connection: %w", doing, publishing)
	}
	if consuming != nil {
		consuming = fmt.Errorf("rabbitmq: %s: consuming connection: %w", doing, consuming)
	}
	return errors.Join(publishing, consuming)
}
