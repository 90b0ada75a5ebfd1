package rabbitmq

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gowarren/warren/broker/rabbitmq/internal/cluster"
)

// Health returns nil if the broker can be published to and consumed from. If not, the error joins
// what [failover.Connection.Ready] says of each connection, and names the connection. Health asks
// no broker and does not wait, so a health endpoint may call it at any rate. The error contains
// names of nodes, and no password.
//
// Even if both connections are well, there are
//
//   - [ErrQueueDown]: a declared queue is down, with its name, or a destination whose publishes have not
//     been answered for a second, until one is, or nobody has published there for a minute; those of a
//     direct.Line are in its own Health;
//   - [ErrFirstMessage]: a queue whose channel was lost three times before its first delivery, until 30 s
//     after the last time;
//   - [ErrTwoClusters].
//
// A node that blocks publishing is [failover.ErrBlocked]; RabbitMQ reports the block at the first
// publish after the alarm. Consuming goes on then, so a program that only consumes asks
// b.Consuming().Ready() instead. A connection that does not reconnect any more, after Close or
// [failover.MaxRounds], is [failover.ErrClosed]. A node without a majority, while another reachable
// node has one, is [failover.ErrCutOff]. A node that hangs is healthy until the heartbeats have
// noticed, one and a half times their interval.
func (b *Broker) Health() error {
	return errors.Join(connections("health", b.publishing.Ready(), b.consuming.Ready()),
		b.queuesDown(), b.publisher.Health(), b.suspects.err(), b.twoClusters())
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
