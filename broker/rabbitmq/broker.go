package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// Broker is RabbitMQ behind one or several nodes. Its methods may be called by many
// goroutines at once.
type Broker struct {
	log        *slog.Logger
	publishing *failover.Connection
	consuming  *failover.Connection
	publisher  *publisher
	redeclarer redeclarer
	acksSingly bool

	onPublishing *declarations // what any connection may declare
	onConsuming  *declarations // all of it

	life       context.Context //nolint:containedctx // the broker's own life; ends with Close
	end        context.CancelFunc
	background background
	consumers  consumers

	mu       sync.Mutex
	topology broker.Topology
}

var (
	_ broker.Broker     = (*Broker)(nil)
	_ broker.Counter    = (*Broker)(nil)
	_ broker.Redeclarer = (*Broker)(nil)
)

// Open connects to the first of urls that answers, and keeps two connections from then
// on, until Close. See [failover.Dial] for the form of urls, and for how long Open goes
// on trying: until ctx ends, but no longer than one round if every node refuses the
// credentials. Errors and logs hold no password.
func Open(ctx context.Context, urls []string, opts ...Option) (*Broker, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	publishing, consuming, err := dial(ctx, urls, o)
	if err != nil {
		return nil, err
	}
	b := &Broker{log: o.log, publishing: publishing, consuming: consuming, redeclarer: newRedeclarer(), acksSingly: o.acksSingly}
	b.life, b.end = context.WithCancel(context.WithoutCancel(ctx))
	b.onPublishing = newDeclarations(b, func(s *failover.Session) broker.Topology {
		return serverOf(s.ServerProperties()).understood(shared(b.declared()))
	})
	b.onConsuming = newDeclarations(b, func(s *failover.Session) broker.Topology {
		return serverOf(s.ServerProperties()).understood(b.declared())
	})
	b.publisher = newPublisher(b)
	return b, nil
}

// dial opens both connections at the same time: where the first node hangs, neither waits
// for the other one's time-out.
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

// Declare creates what t lists, and again on every new connection, and when a channel is lost,
// for as long as the broker is open. What exists already with other arguments is [broker.ErrMismatch];
// RabbitMQ's text names both values. What the server would silently ignore, as one before 4.3
// does a delayed retry, is [broker.ErrUnsupported], and nothing is declared; a subscription
// that comes to such a server later, by a failover, ends with it. A dead-letter target that does not exist is logged as
// a warning: RabbitMQ drops what is sent there without a word. An exclusive queue belongs to the consuming
// connection, and is declared again when that one is replaced.
//
// A quorum queue that is new, while a majority of its nodes is down, is an error, and RabbitMQ
// closes the consuming connection over it after 15 s (541): the subscriptions on it begin
// anew. What is not answered in 10 s is an error too, and so is a classic queue whose node is
// down: [ErrQueueDown], at once from RabbitMQ 3.10 and after the 10 s with 4.x. Once declared,
// it is asked for again in the background, and keeps nobody from the other queues for more
// than about 2 s.
func (b *Broker) Declare(ctx context.Context, t broker.Topology) error {
	if err := t.Validate(); err != nil {
		return err
	}
	all, err := b.declared().Extend(t)
	if err != nil {
		return fmt.Errorf("rabbitmq: %w", err)
	}
	if err := b.declareNow(ctx, t); err != nil {
		return fmt.Errorf("rabbitmq: %w", b.overOr(err))
	}
	b.warnOfDeadEnds(ctx, t, all)
	if session, err := b.consuming.Session(ctx); err == nil {
		b.warnOfLimits(serverOf(session.ServerProperties()), t, all)
	}
	return nil
}

// declareNow declares t, and has it declared on the sessions to come.
func (b *Broker) declareNow(ctx context.Context, t broker.Topology) error {
	session, err := b.session(ctx)
	if err != nil {
		return err
	}
	d := b.onConsuming.declarer(session)
	defer d.close()
	if err := d.declare(ctx, t, answerTimeout); err != nil {
		return err
	}
	b.mu.Lock()
	b.topology = b.topology.Merge(t)
	b.mu.Unlock()
	if session.Err() != nil {
		b.onConsuming.outdate() // the next one may have declared what there was before
	}
	return nil
}

// declared returns what every new session declares.
func (b *Broker) declared() broker.Topology {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.topology
}

// Source returns a source of the messages of queue, on the consuming connection.
func (b *Broker) Source(queue string) broker.Source { return &source{broker: b, queue: queue} }

// Publisher returns the broker's publisher.
func (b *Broker) Publisher() processor.Publisher { return b.publisher }

// Ready returns how many messages of queue are ready to be delivered.
func (b *Broker) Ready(ctx context.Context, queue string) (int, error) {
	q, err := ask(ctx, b, func(ch *amqp.Channel) (amqp.Queue, error) {
		return ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	})
	if err != nil {
		return 0, fmt.Errorf("rabbitmq: count queue %q: %w", queue, named(err))
	}
	return q.Messages, nil
}

// Close ends all subscriptions and publishes and both connections. Messages in hand go
// back to their queues. It works twice, and returns when ctx ends; the sockets are
// closed by then too. A node that hangs is waited for no longer than
// [failover.AnswerTimeout].
func (b *Broker) Close(ctx context.Context) error {
	b.end()
	b.consumers.shut(ctx)
	// The connections first: what still runs in the background waits for them.
	err := b.both("close", func(c *failover.Connection) error { return c.Close(ctx) })
	select {
	case <-b.background.close():
		return err
	case <-ctx.Done():
		return errors.Join(err, fmt.Errorf("rabbitmq: close: %w", ended(ctx)))
	}
}

// ask calls f with a channel of its own, and returns when f does or ctx ends.
func ask[T any](ctx context.Context, b *Broker, f func(*amqp.Channel) (T, error)) (T, error) {
	var zero T
	ch, err := b.openChannel(ctx)
	if err != nil {
		return zero, err
	}
	value, err := call(ctx, &b.background, func() (T, error) {
		defer func() { _ = ch.Close() }()
		return f(ch)
	}, func(T) {})
	return value, b.overOr(err)
}

// openChannel opens a channel on the consuming connection, which a broker that is low on
// memory answers.
func (b *Broker) openChannel(ctx context.Context) (*amqp.Channel, error) {
	session, err := b.session(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := session.Channel(ctx)
	return ch, closedOr(err)
}

// session returns the session of the consuming connection.
func (b *Broker) session(ctx context.Context) (*failover.Session, error) {
	if b.life.Err() != nil {
		return nil, errClosed
	}
	session, err := b.consuming.Session(ctx)
	return session, closedOr(err)
}

// overOr adds to what failed after Close, or because of it, that the broker is closed.
func (b *Broker) overOr(err error) error {
	if err == nil || b.life.Err() == nil || errors.Is(err, processor.ErrClosed) {
		return err
	}
	return fmt.Errorf("%w: %w", errClosed, err)
}

// errClosed is what everything returns after Close.
var errClosed = fmt.Errorf("rabbitmq: the broker is %w", processor.ErrClosed)

// closedOr says that the broker is closed in the terms of its contract, and keeps why a
// connection has given up.
func closedOr(err error) error {
	switch {
	case errors.Is(err, failover.ErrGaveUp):
		return fmt.Errorf("%w: %w", errClosed, err)
	case errors.Is(err, failover.ErrClosed):
		return errClosed
	}
	return err
}
