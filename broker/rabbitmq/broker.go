package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/cluster"
	"github.com/gowarren/warren/broker/rabbitmq/internal/declare"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// Broker is RabbitMQ behind one or several nodes. Its methods may be called concurrently.
type Broker struct {
	life       *life.Life
	publishing *failover.Connection
	consuming  *failover.Connection
	publisher  *publisher
	cluster    *cluster.Watch
	redeclarer *declare.Redeclarer
	acksSingly bool
	consumers  consumers
	suspects   suspects

	onPublishing *declare.Declarations // what any connection may declare
	onConsuming  *declare.Declarations // the whole topology

	mu            sync.Mutex
	topology      broker.Topology
	subscriptions map[string]int // by queue
}

var (
	_ broker.Broker     = (*Broker)(nil)
	_ broker.Counter    = (*Broker)(nil)
	_ broker.Redeclarer = (*Broker)(nil)
)

// Open connects to the first of urls that answers, and keeps two connections until Close. See
// [failover.Dial] for the form of urls, and for how long Open tries: until ctx ends, but no longer
// than one round if every node refuses the credentials. Errors and logs contain no password. If the
// connections lead to two clusters, or two vhosts, the error is [ErrTwoClusters].
func Open(ctx context.Context, urls []string, opts ...Option) (*Broker, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	publishing, consuming, err := dial(ctx, urls, o)
	if err != nil {
		return nil, err
	}
	b := &Broker{life: life.New(ctx, o.log), publishing: publishing, consuming: consuming, acksSingly: o.acksSingly}
	b.onPublishing = declare.New(b.life, func(s *failover.Session) broker.Topology {
		return understood(s, declare.Shared(declare.Lasting(b.declared())))
	})
	b.onConsuming = declare.New(b.life, func(s *failover.Session) broker.Topology {
		return understood(s, declare.Lasting(b.declared()))
	})
	b.redeclarer = declare.NewRedeclarer(b.onConsuming, b.openChannel)
	b.publisher = newPublisher(b)
	b.cluster = cluster.NewWatch(b.life, publishing, consuming)
	if err := b.cluster.Check(ctx); err != nil {
		return nil, fmt.Errorf("rabbitmq: open: %w", errors.Join(err, b.Close(ctx)))
	}
	b.cluster.Start() //nolint:contextcheck // it outlives the call
	return b, nil
}

// dial opens both connections at the same time: if the first node hangs, neither waits for the
// other's time-out.
func dial(ctx context.Context, urls []string, o *options) (publishing, consuming *failover.Connection, err error) {
	var failed error
	var dialling sync.WaitGroup
	dialling.Go(func() { publishing, err = failover.Dial(ctx, urls, o.connection("publishing")...) })
	dialling.Go(func() { consuming, failed = failover.Dial(ctx, urls, o.connection("consuming")...) })
	dialling.Wait()
	if err = connections("open", err, failed); err == nil {
		return publishing, consuming, nil
	}
	for _, c := range []*failover.Connection{publishing, consuming} {
		if c != nil {
			err = errors.Join(err, c.Close(ctx))
		}
	}
	return nil, nil, err
}

// Source returns a source of the messages of queue, on the consuming connection.
func (b *Broker) Source(queue string) broker.Source { return &source{broker: b, queue: queue} }

// Publisher returns the broker's publisher.
func (b *Broker) Publisher() processor.Publisher { return b.publisher }

// Ready returns how many messages of queue are ready to be delivered.
func (b *Broker) Ready(ctx context.Context, queue string) (int, error) {
	if err := checkQueue(queue); err != nil {
		return 0, fmt.Errorf("rabbitmq: count queue %q: %w", queue, err)
	}
	q, err := ask(ctx, b, func(ch *amqp.Channel) (amqp.Queue, error) {
		return ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	})
	if err != nil {
		return 0, fmt.Errorf("rabbitmq: count queue %q: %w", queue, reply.Named(err))
	}
	return q.Messages, nil
}

// Close ends all subscriptions and publishes and both connections. Messages in flight are requeued.
// It may be called twice, and returns when ctx ends; the sockets are closed by then too. It waits
// for a node that hangs no longer than [failover.AnswerTimeout].
func (b *Broker) Close(ctx context.Context) error {
	b.life.End()
	b.consumers.shut(ctx)
	// The connections first: what still runs in the background waits for them.
	err := b.both("close", func(c *failover.Connection) error { return c.Close(ctx) })
	select {
	case <-b.life.Close():
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("rabbitmq: close: %w", life.Ended(ctx)))
	}
}

// ask calls f with a channel of its own, and returns when f does or ctx ends.
func ask[T any](ctx context.Context, b *Broker, f func(*amqp.Channel) (T, error)) (T, error) {
	var zero T
	_, ch, err := b.openChannel(ctx)
	if err != nil {
		return zero, err
	}
	value, err := life.Call(ctx, b.life, func() (T, error) {
		defer func() { _ = ch.Close() }()
		return f(ch)
	}, func(T) {})
	return value, b.life.OverOr(err)
}

// openChannel opens a channel on the consuming connection, which works also while the broker is low
// on memory. A session that is over before the channel is open has been asked nothing yet: the next
// one is waited for.
func (b *Broker) openChannel(ctx context.Context) (*failover.Session, *amqp.Channel, error) {
	for {
		session, err := b.session(ctx)
		if err != nil {
			return nil, nil, err
		}
		ch, err := session.Channel(ctx)
		if !errors.Is(err, failover.ErrLost) {
			return session, ch, life.ClosedOr(err)
		}
	}
}

// session returns the session of the consuming connection.
func (b *Broker) session(ctx context.Context) (*failover.Session, error) {
	if b.life.Over() {
		return nil, life.ErrClosed
	}
	session, err := b.consuming.Session(ctx)
	return session, life.ClosedOr(err)
}
