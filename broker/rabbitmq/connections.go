package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/cluster"
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

// Health returns nil if the broker can be published to and consumed from. If not, the error joins
// what [failover.Connection.Ready] says of each connection, and names the connection. Health asks
// no broker and does not wait, so a health endpoint may call it at any rate. The error contains
// names of nodes, and no password. A declared queue that is down is [ErrQueueDown], with its name,
<<<<<<< HEAD
// even if both connections are well; so is a destination whose publishes have not been answered for a
// second.
=======
// even if both connections are well. A queue whose channel was lost three times before its first
// delivery is [ErrFirstMessage], until 30 s after the last time.
>>>>>>> h-wire
//
// A node that blocks publishing is [failover.ErrBlocked]; RabbitMQ reports the block at the first
// publish after the alarm. Consuming goes on then, so a program that only consumes asks
// b.Consuming().Ready() instead. A connection that does not reconnect any more, after Close or
// [failover.MaxRounds], is [failover.ErrClosed]. A node without a majority, while another reachable
// node has one, is [failover.ErrCutOff]. A node that hangs is healthy until the heartbeats have
// noticed, one and a half times their interval.
func (b *Broker) Health() error {
<<<<<<< HEAD
	return errors.Join(connections("health", b.publishing.Ready(), b.consuming.Ready()), b.queuesDown(), b.silent(), b.twoClusters())
}

// ErrTwoClusters is wrapped by the errors of [Open] and [Broker.Health] if the broker publishes to one
// cluster, or vhost, and consumes from another: what it publishes is not consumed here. RabbitMQ is
// asked when the broker is opened, and each time that a connection is replaced and the two are not on
// the same node. The answer may not come, such as from a cluster without a majority, or for
// a user who may not declare queues; then nothing is said.
var ErrTwoClusters = cluster.ErrTwo

func (b *Broker) twoClusters() error {
	if err := b.cluster.Err(); err != nil {
		return fmt.Errorf("rabbitmq: health: %w", err)
	}
	return nil
}

// silent names the destinations that do not answer publishes.
func (b *Broker) silent() error {
	var err error
	for _, to := range b.publisher.Silent() {
		err = errors.Join(err, fmt.Errorf("rabbitmq: health: publishing to %s: %w", to, ErrQueueDown))
	}
	return err
=======
	return errors.Join(connections("health", b.publishing.Ready(), b.consuming.Ready()), b.queuesDown(), b.suspects.err())
>>>>>>> h-wire
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
