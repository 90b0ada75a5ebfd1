package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
)

// Publishing returns the connection that publishes: to ask for its state, to watch it, or
// to run operations on it. It is the same one for the broker's whole life, whichever node
// it is on, and it is the broker's to close.
func (b *Broker) Publishing() *failover.Connection { return b.publishing }

// Consuming returns the connection that consumes, declares and counts, as
// [Broker.Publishing] does the other one. RabbitMQ stops reading from a connection that
// publishes when it is low on memory or disk, and the acks go over this one: publish on
// the other.
func (b *Broker) Consuming() *failover.Connection { return b.consuming }

// Ask calls f with a channel of its own on the consuming connection, and closes it when f has
// returned. It returns what f does, or earlier when ctx ends: the client's calls cannot be
// cancelled, so f then goes on in the background, and what it sets must not be read. An
// [amqp.Error] is what the broker said when it refused; it costs this channel alone.
func (b *Broker) Ask(ctx context.Context, f func(*amqp.Channel) error) error {
	_, err := ask(ctx, b, func(ch *amqp.Channel) (struct{}, error) { return struct{}{}, f(ch) })
	return err
}

// Health returns nil if the broker can be published to and consumed from. If not, the
// error joins what [failover.Connection.Ready] says of each connection, and names it. It
// asks nobody and waits for nothing, so a health endpoint may call it as often as it
// likes. It holds names of nodes, and no password. A declared queue that is down is
// [ErrQueueDown], with its name; both connections may be well then.
//
// A node that blocks publishing is [failover.ErrBlocked]; RabbitMQ tells so at the first
// publish after the alarm. Consuming goes on then, so a program that only consumes asks
// b.Consuming().Ready() instead. A connection that will not come back by itself, after
// Close or [failover.MaxRounds], is [failover.ErrClosed]. A node that has no majority,
// while no other that can be reached has one, is [failover.ErrCutOff]. A node that hangs is
// healthy until the heartbeats have noticed, one and a half times their interval.
func (b *Broker) Health() error {
	return errors.Join(connections("health", b.publishing.Ready(), b.consuming.Ready()), b.queuesDown())
}

// queuesDown names the queues that are down.
func (b *Broker) queuesDown() error {
	down := append(b.onConsuming.QueuesDown(), b.onPublishing.QueuesDown()...)
	slices.Sort(down)
	var err error
	for _, q := range slices.Compact(down) {
		err = errors.Join(err, fmt.Errorf("rabbitmq: health: queue %q: %w", q, ErrQueueDown))
	}
	return err
}

// UpdateSecret gives both connections a new password, or token, at the same time, and
// returns when both have taken it or have failed; see [failover.Connection.UpdateSecret].
// A connection that the broker blocks takes none until it goes on, but the next dial uses
// it whatever UpdateSecret returns.
func (b *Broker) UpdateSecret(ctx context.Context, password, reason string) error {
	return b.both("update secret", func(c *failover.Connection) error { return c.UpdateSecret(ctx, password, reason) })
}

// both calls f for the two connections at the same time: when a node hangs, neither waits
// for the other one's time-out.
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
