package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// consumerTag names the one consumer of a channel.
const consumerTag = "warren"

// generation is one consuming channel: its deliveries can be settled on it and on no
// other.
type generation struct {
	broker     *Broker
	queue      string
	session    *failover.Session
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	cancelled  <-chan string
	closed     <-chan *amqp.Error
	opened     time.Time
	used       atomic.Bool     // something was delivered
	holds      bool            // the queue keeps what failed for a while
	over       chan struct{}   // closed when the next generation is there
	life       context.Context //nolint:containedctx // of its deliveries; ends when the channel is gone
	end        context.CancelCauseFunc

	prefetch int
	latest   atomic.Uint64 // tag that was delivered; they count from 1
	settled  atomic.Uint64 // tags, each once

	inHand inHand

	settling sync.RWMutex // held for reading by settlements
	closing  bool         // none may be sent any more

	// asking is held while the broker is asked something on the channel. The client
	// gives an answer to whoever waits, not to the one who asked.
	asking   sync.Mutex
	stopping bool // the consumer was cancelled by us; guarded by asking

	cancelling atomic.Bool // it is being cancelled
}

var (
	_ broker.Acknowledger = (*generation)(nil)
	_ broker.Perishable   = (*generation)(nil)
	_ broker.Holder       = (*generation)(nil)
)

// openGeneration opens a channel and consumes, when the broker's topology has been declared
// after a certain moment. It returns when ctx ends, whatever the broker does; a generation
// that is ready too late is closed.
func openGeneration(ctx context.Context, b *Broker, queue string, prefetch int, after time.Time) (*generation, error) {
	session, err := b.consuming.Session(ctx)
	if err != nil {
		return nil, err
	}
	own := filtered(b.declared(), func(name string) bool { return name == queue })
	if err := serverOf(session.ServerProperties()).lacks(own); err != nil {
		return nil, err
	}
	topology, err := b.onConsuming.on(ctx, session, after)
	if err != nil {
		return nil, err
	}
	defer time.AfterFunc(queueAnswer, func() {
		b.log.Warn("consuming channel not opened yet: there is no answer", slog.String("queue", queue), slog.String("node", session.Node()))
	}).Stop()
	return call(ctx, &b.background, func() (*generation, error) {
		ch, err := session.Channel(ctx)
		if err != nil {
			return nil, err
		}
		g := newGeneration(ctx, b, queue, session, ch)
		g.holds = holdsFailed(topology, queue)
		if err := g.consume(prefetch); err != nil {
			_ = ch.Close()
			return nil, err
		}
		if !b.background.start(g.watch) {
			return nil, errClosed
		}
		b.consumers.add(g)
		return g, nil
	}, (*generation).shut)
}

func newGeneration(ctx context.Context, b *Broker, queue string, session *failover.Session, ch *amqp.Channel) *generation {
	g := &generation{broker: b, queue: queue, session: session, channel: ch, opened: time.Now(), over: make(chan struct{})}
	g.life, g.end = context.WithCancelCause(context.WithoutCancel(ctx))
	// Registered before consuming, so that nothing is missed. Both have room for the
	// one event that they can get.
	g.cancelled = ch.NotifyCancel(make(chan string, 1))
	g.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	return g
}

// consume starts the deliveries, without the broker's consume-ok. RabbitMQ 3.10 may send that
// twice while a quorum queue changes its leader, and dies of the second one; the client, whose
// reader waits for somebody to take it, hears no more of the connection. So the answer to the
// next question says whether the broker consumes.
func (g *generation) consume(prefetch int) error {
	g.prefetch = prefetch
	if err := g.channel.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := g.channel.Consume(g.queue, consumerTag, false, false, false, true, nil)
	if err == nil {
		err = g.channel.Qos(prefetch, 0, false)
	}
	if errors.Is(err, amqp.ErrClosed) {
		err = g.lost(<-g.closed) // the refusal was there before the question
	}
	if err != nil {
		return vanished(g.broker.declared(), "", g.queue, ofQueue(g.queue, named(err)))
	}
	g.deliveries = deliveries
	return nil
}

// watch ends the life of the deliveries when the channel is gone. It goes on when the
// subscription has stopped: what is in hand then is told as well.
func (g *generation) watch() {
	var e ending
	select {
	case _, ok := <-g.cancelled:
		if ok {
			e.overdue = g.inHand.oldest()
			e.cause = fmt.Errorf("the broker cancelled the consumer: its queue %q was deleted or has moved, or a message took longer than the consumer timeout", g.queue)
		} else {
			e.cause = g.lost(<-g.closed) // both are closed with the channel
		}
	case err := <-g.closed:
		e.cause = g.lost(err)
	}
	g.end(&e)
}

// ending is the cause of the end of a life: the channel is gone.
type ending struct {
	cause   error
	overdue *broker.Delivery // may have been held for longer than the consumer timeout
}

func (e *ending) Error() string   { return processor.ErrStale.Error() + ": " + e.cause.Error() }
func (e *ending) Unwrap() []error { return []error{processor.ErrStale, e.cause} }

// wait returns how the generation has ended, or nil when ctx ended first.
func (g *generation) wait(ctx context.Context) *ending {
	select {
	case <-ctx.Done():
		return nil
	case <-g.life.Done():
	}
	cause := context.Cause(g.life)    //nolint:contextcheck // its own
	if e, ok := cause.(*ending); ok { //nolint:errorlint // never wrapped
		return e
	}
	return &ending{cause: cause} // it was shut
}

// Life ends when the channel is gone.
func (g *generation) Life() context.Context { return g.life }

// Holds reports whether the queue keeps what failed for a while: it was declared so on this
// session, to a server that does it.
func (g *generation) Holds() bool { return g.holds }

// lost is why the channel was closed. err is nil when the connection went first.
func (g *generation) lost(err *amqp.Error) error {
	if err != nil {
		return err
	}
	return cmp.Or(g.session.Err(), error(amqp.ErrClosed))
}

func (g *generation) message(d *amqp.Delivery) *broker.Delivery {
	g.used.Store(true)
	g.came(d.DeliveryTag)
	e := envelope(d)
	var acks broker.Acknowledger = g
	if isMalformed(e.Headers) {
		acks = malformed{g, e}
	}
	msg := broker.NewDelivery(e, origin(g.queue, d), acks, d.DeliveryTag)
	g.inHand.add(d.DeliveryTag, msg)
	return msg
}

// came notes a delivery. Two goroutines may note theirs in another order.
func (g *generation) came(tag uint64) {
	for {
		latest := g.latest.Load()
		if tag <= latest || g.latest.CompareAndSwap(latest, tag) {
			return
		}
	}
}

// isFull reports whether the prefetch is used up, so that the broker sends nothing more.
func (g *generation) isFull() bool {
	return g.latest.Load() >= g.settled.Load()+uint64(g.prefetch) //nolint:gosec // at least 1
}

// leaves notes that a delivery is settled.
func (g *generation) leaves(tag uint64) {
	g.settled.Add(1)
	g.inHand.remove(tag)
}

// Ack acks one delivery of this generation.
func (g *generation) Ack(tag uint64) error {
	g.settling.RLock()
	defer g.settling.RUnlock()
	if g.closing {
		return processor.ErrStale
	}
	g.leaves(tag)
	return stale(g.channel.Ack(tag, false))
}

// Nack rejects one delivery: basic.reject counts as an attempt on a quorum queue. So none is
// sent where the broker has cancelled the consumer and its channel is still open: the message
// comes again anyway. An ack is: it may still be in time.
func (g *generation) Nack(tag uint64, requeue bool) error {
	g.settling.RLock()
	defer g.settling.RUnlock()
	if g.closing || g.life.Err() != nil {
		return processor.ErrStale
	}
	g.leaves(tag)
	return stale(g.channel.Reject(tag, requeue))
}

// Release gives one delivery back with basic.nack, which from RabbitMQ 4.3 on does not
// count as an attempt. As with Nack, there is nothing to give back once the channel is lost.
func (g *generation) Release(tag uint64) error {
	g.settling.RLock()
	defer g.settling.RUnlock()
	if g.closing || g.life.Err() != nil {
		return processor.ErrStale
	}
	g.leaves(tag)
	return stale(g.channel.Nack(tag, false, true))
}

// stale: whatever keeps a settlement from being sent is the end of the channel, and then
// the broker requeues the delivery.
func stale(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", processor.ErrStale, err)
}
