// Package declare creates a broker's topology: once on request, and again on each new session.
// Queues that do not answer do not hold up the others.
package declare

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
)

// Declarer declares on one session, on a channel of its own. A question that is not answered in
// time costs that channel, and the next is asked on another. It is for one goroutine.
type Declarer struct {
	session    *failover.Session
	life       *life.Life
	unanswered *unanswered
	channel    *amqp.Channel // nil: the next question opens one
}

// Declare declares t. The first thing that is refused, or not answered within limit, ends it.
func (d *Declarer) Declare(ctx context.Context, t broker.Topology, limit time.Duration) error {
	if err := version.Of(d.session.ServerProperties()).Lacks(t.Queues); err != nil {
		return err
	}
	if err := d.exchanges(ctx, t, limit); err != nil {
		return err
	}
	for _, q := range t.Queues {
		if err := d.queue(ctx, q, limit); err != nil {
			return err
		}
	}
	for _, b := range t.Bindings {
		if err := d.binding(ctx, t, b, limit); err != nil {
			return err
		}
	}
	return nil
}

func (d *Declarer) exchanges(ctx context.Context, t broker.Topology, limit time.Duration) error {
	for _, x := range t.Exchanges {
		err := d.ask(ctx, limit, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x.Name, string(x.Kind), !x.Transient, x.AutoDelete, x.Internal, false, amqpwire.Table(x.AllArguments()))
		})
		if err != nil {
			return fmt.Errorf("declare exchange %q: %w", x.Name, reply.Named(err))
		}
	}
	return nil
}

// queue declares a queue. It is down while an earlier question about it is unanswered.
func (d *Declarer) queue(ctx context.Context, q broker.Queue, limit time.Duration) error {
	err := d.unanswered.wait(ctx, q.Name, limit)
	if err == nil {
		err = d.askQueue(ctx, q, limit)
	}
	if errors.Is(err, reply.ErrNoAnswer) {
		err = &reply.DownError{Queue: q.Name, Cause: err}
	}
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", q.Name, reply.OfQueue(q.Name, reply.Named(err)))
	}
	return nil
}

func (d *Declarer) askQueue(ctx context.Context, q broker.Queue, limit time.Duration) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	asked := newQuestion()
	err := d.put(ctx, limit, func(ch *amqp.Channel) error { // from here on it is finished in any case
		defer d.unanswered.finish(q.Name, asked)
		_, err := ch.QueueDeclare(q.Name, !q.Transient, q.AutoDelete, q.Exclusive, false, amqpwire.Table(q.AllArguments()))
		return err
	})
	if d.channel == nil {
		d.unanswered.add(q.Name, asked)
	}
	return err
}

func (d *Declarer) binding(ctx context.Context, t broker.Topology, b broker.Binding, limit time.Duration) error {
	err := d.ask(ctx, limit, func(ch *amqp.Channel) error {
		return ch.QueueBind(b.Queue, b.RoutingKey, b.Exchange, false, amqpwire.Table(b.AllArguments()))
	})
	if err != nil {
		return fmt.Errorf("bind queue %q to exchange %q: %w", b.Queue, b.Exchange, reply.Vanished(t, b.Exchange, b.Queue, reply.OfQueue(b.Queue, reply.Named(err))))
	}
	return nil
}

func (d *Declarer) isOpen() bool { return d.channel != nil && !d.channel.IsClosed() }

// open opens a channel if there is none.
func (d *Declarer) open(ctx context.Context) error {
	if d.isOpen() {
		return nil
	}
	d.channel = nil
	ch, err := d.session.Channel(ctx)
	if err != nil {
		return life.ClosedOr(err)
	}
	d.channel = ch
	return nil
}

// ask puts a question on the channel, which it opens if there is none.
func (d *Declarer) ask(ctx context.Context, limit time.Duration, f func(*amqp.Channel) error) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.put(ctx, limit, f)
}

// put calls f with the channel. It returns when f has, when limit is over, or when ctx ends. In the
// latter cases f is left behind with the channel: closing it would not be answered either. f is
// called unless the broker is closed.
func (d *Declarer) put(ctx context.Context, limit time.Duration, f func(*amqp.Channel) error) error {
	ch := d.channel
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w (%v)", reply.ErrNoAnswer, limit))
	defer cancel()
	_, err := life.Call(ctx, d.life, func() (struct{}, error) { return struct{}{}, f(ch) }, func(struct{}) { _ = ch.Close() })
	if err == nil {
		return nil
	}
	d.channel = nil
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		_ = ch.Close() // the broker has closed it
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, reply.ErrNoAnswer) {
		return cause // the caller's own time is not over
	}
	return err
}

// Close closes the channel without waiting for the answer.
func (d *Declarer) Close() {
	if ch := d.channel; ch != nil {
		d.life.Go(func() { _ = ch.Close() })
	}
}
