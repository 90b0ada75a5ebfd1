package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
)

// declarer declares on one session, on a channel of its own. A question that is not answered
// in time costs that channel, and the next is asked on another. It belongs to one goroutine.
type declarer struct {
	session    *failover.Session
	background *background
	unanswered *unanswered
	channel    *amqp.Channel // nil: the next question opens one
}

// declare declares t. The first thing that is refused, or not answered within limit, ends it.
func (d *declarer) declare(ctx context.Context, t broker.Topology, limit time.Duration) error {
	if err := d.understood(t); err != nil {
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

// understood refuses what the server would silently ignore.
func (d *declarer) understood(t broker.Topology) error {
	return serverOf(d.session.ServerProperties()).lacks(t)
}

func (d *declarer) exchanges(ctx context.Context, t broker.Topology, limit time.Duration) error {
	for _, x := range t.Exchanges {
		err := d.ask(ctx, limit, func(ch *amqp.Channel) error {
			return ch.ExchangeDeclare(x.Name, string(x.Kind), !x.Transient, x.AutoDelete, x.Internal, false, table(x.AllArguments()))
		})
		if err != nil {
			return fmt.Errorf("declare exchange %q: %w", x.Name, named(err))
		}
	}
	return nil
}

// queue declares a queue. It is down if it is known not to answer.
func (d *declarer) queue(ctx context.Context, q broker.Queue, limit time.Duration) error {
	err := d.unanswered.wait(ctx, q.Name, limit)
	if err == nil {
		err = d.askQueue(ctx, q, limit)
	}
	if errors.Is(err, errNoAnswer) {
		err = &downError{q.Name, err}
	}
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", q.Name, ofQueue(q.Name, named(err)))
	}
	return nil
}

func (d *declarer) askQueue(ctx context.Context, q broker.Queue, limit time.Duration) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	asked := newQuestion()
	err := d.put(ctx, limit, func(ch *amqp.Channel) error { // from here on it is finished in any case
		defer d.unanswered.finish(q.Name, asked)
		_, err := ch.QueueDeclare(q.Name, !q.Transient, q.AutoDelete, q.Exclusive, false, table(q.AllArguments()))
		return err
	})
	if d.channel == nil {
		d.unanswered.add(q.Name, asked)
	}
	return err
}

func (d *declarer) binding(ctx context.Context, t broker.Topology, b broker.Binding, limit time.Duration) error {
	err := d.ask(ctx, limit, func(ch *amqp.Channel) error {
		return ch.QueueBind(b.Queue, b.RoutingKey, b.Exchange, false, table(b.AllArguments()))
	})
	if err != nil {
		return fmt.Errorf("bind queue %q to exchange %q: %w", b.Queue, b.Exchange, vanished(t, b.Exchange, b.Queue, ofQueue(b.Queue, named(err))))
	}
	return nil
}

// open opens a channel if there is none.
func (d *declarer) open(ctx context.Context) error {
	if d.channel != nil && !d.channel.IsClosed() {
		return nil
	}
	d.channel = nil
	ch, err := d.session.Channel(ctx)
	if err != nil {
		return closedOr(err)
	}
	d.channel = ch
	return nil
}

// ask puts a question on the channel, and opens one first if there is none.
func (d *declarer) ask(ctx context.Context, limit time.Duration, f func(*amqp.Channel) error) error {
	if err := d.open(ctx); err != nil {
		return err
	}
	return d.put(ctx, limit, f)
}

// put calls f with the channel. It returns when f has, when limit is over, or when ctx ends.
// In the latter cases f is left behind with the channel: a goodbye would not be answered
// either. f is called unless the broker is closed.
func (d *declarer) put(ctx context.Context, limit time.Duration, f func(*amqp.Channel) error) error {
	ch := d.channel
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w (%v)", errNoAnswer, limit))
	defer cancel()
	_, err := call(ctx, d.background, func() (struct{}, error) { return struct{}{}, f(ch) }, func(struct{}) { _ = ch.Close() })
	if err == nil {
		return nil
	}
	d.channel = nil
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		_ = ch.Close() // the broker has closed it
		return err
	}
	if cause := context.Cause(ctx); errors.Is(cause, errNoAnswer) {
		return cause // the caller's own time is not over
	}
	return err
}

// close closes the channel without anybody waiting for the answer.
func (d *declarer) close() {
	if ch := d.channel; ch != nil {
		d.background.start(func() { _ = ch.Close() })
	}
}

// vanished is err, or that what it misses was declared a moment ago. The exclusive queues of a
// lost connection, their auto-delete exchanges, and auto-delete queues take their time to go,
// and may do so right after they were found to be there. That passes.
func vanished(t broker.Topology, exchange, queue string, err error) error {
	var e *amqp.Error
	if !errors.As(err, &e) {
		return err
	}
	declared := amqpwire.Missing(e, "exchange") && slices.ContainsFunc(t.Exchanges, func(x broker.Exchange) bool { return x.Name == exchange }) ||
		amqpwire.Missing(e, "queue") && slices.ContainsFunc(t.Queues, func(q broker.Queue) bool { return q.Name == queue })
	if !declared {
		return err
	}
	// Told, and not wrapped: its code would be taken for one that stays.
	return fmt.Errorf("it was there a moment ago, when it was declared: %v", err) //nolint:errorlint // see above
}

// shared is what any connection may declare: without the queues that belong to one, and
// their bindings.
func shared(t broker.Topology) broker.Topology {
	exclusive := map[string]bool{}
	for _, q := range t.Queues {
		exclusive[q.Name] = q.Exclusive
	}
	return filtered(t, func(queue string) bool { return !exclusive[queue] })
}

// filtered returns t with only the queues that are to be kept, and their bindings.
func filtered(t broker.Topology, keep func(queue string) bool) broker.Topology {
	return broker.Topology{
		Exchanges: t.Exchanges,
		Queues:    slices.DeleteFunc(slices.Clone(t.Queues), func(q broker.Queue) bool { return !keep(q.Name) }),
		Bindings:  slices.DeleteFunc(slices.Clone(t.Bindings), func(b broker.Binding) bool { return !keep(b.Queue) }),
	}
}
