package rabbitmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/acks"
	"github.com/gowarren/warren/broker/rabbitmq/internal/declare"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// generation is one consuming channel: its deliveries can be settled on it and on no
// other.
type generation struct {
	broker     *Broker
	queue      string
	options    broker.SubscribeOptions
	session    *failover.Session
	channel    *amqp.Channel
	deliveries <-chan amqp.Delivery
	cancelled  <-chan string
	closed     <-chan *amqp.Error
	opened     time.Time
	used       atomic.Bool // something was delivered

	shared   *broker.Channel // of its deliveries
	acks     *acks.Ledger[*broker.Delivery]
	position position // in its stream, if it is one

	// asking is held while the broker is asked something on the channel. The client
	// gives an answer to whoever waits, not to the one who asked.
	asking    sync.Mutex
	consumers int  // that were begun; guarded by asking
	stopping  bool // the consumer was cancelled by us; guarded by asking

	cancelling atomic.Bool // it is being cancelled
	silent     atomic.Bool // the broker did not answer in time
}

var _ broker.Acknowledger = (*generation)(nil)

// openGeneration opens a channel and consumes, when the broker's topology has been declared
// after a certain moment. It returns when ctx ends, whatever the broker does; a generation
// that is ready too late is closed.
func (s *subscription) openGeneration(ctx context.Context, begin any, after time.Time) (*generation, error) {
	b, queue := s.broker, s.queue
	session, err := b.consuming.Session(ctx)
	if err != nil {
		return nil, err
	}
	own := declare.Only(b.declared(), func(name string) bool { return name == queue })
	if err := version.Of(session.ServerProperties()).Lacks(own.Queues); err != nil {
		return nil, err
	}
	topology, err := b.onConsuming.On(ctx, session, after)
	if err != nil {
		return nil, err
	}
	defer time.AfterFunc(declare.QueueAnswer, func() {
		b.life.Log.Warn("consuming channel not opened yet: there is no answer", slog.String("queue", queue), slog.String("node", session.Node()))
	}).Stop()
	return life.Call(ctx, b.life, func() (*generation, error) {
		ch, err := session.Channel(ctx)
		if err != nil {
			return nil, err
		}
		g := s.newGeneration(session, ch)
		g.shared.HoldsFailed = slices.ContainsFunc(topology.Queues, func(q broker.Queue) bool { return q.Name == queue && version.HoldsFailed(q) })
		if err := g.consume(begin); err != nil {
			g.shared.Lose(err)
			_ = ch.Close()
			return nil, err
		}
		if !b.life.Go(g.watch) {
			g.shared.Lose(life.ErrClosed)
			_ = ch.Close()
			return nil, life.ErrClosed
		}
		b.consumers.add(g)
		return g, nil
	}, (*generation).shut)
}

func (s *subscription) newGeneration(session *failover.Session, ch *amqp.Channel) *generation {
	return &generation{
		broker: s.broker, queue: s.queue, options: s.options, session: session, channel: ch, opened: time.Now(),
		shared: broker.NewChannel(s.options),
		acks: acks.New[*broker.Delivery](ch, acks.Options{
			Prefetch: s.options.Prefetch, Ordered: s.options.Ordered, Singly: s.broker.acksSingly,
		}),
		// Registered before consuming, so that nothing is missed. Both have room for the
		// one event that they can get.
		cancelled: ch.NotifyCancel(make(chan string, 1)),
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
}

// consume starts the deliveries, without the broker's consume-ok. RabbitMQ 3.10 may send that
// twice while a quorum queue changes its leader, and dies of the second one; the client, whose
// reader waits for somebody to take it, hears no more of the connection. So the answer to the
// next question says whether the broker consumes.
func (g *generation) consume(begin any) error {
	g.asking.Lock()
	defer g.asking.Unlock()
	prefetch := g.options.Prefetch
	if err := g.channel.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("set prefetch: %w", err)
	}
	deliveries, err := g.channel.Consume(g.queue, g.nextTag(), false, g.options.Consumer.Exclusive, false, true, arguments(g.options.Consumer, begin))
	if err == nil {
		err = g.channel.Qos(prefetch, 0, false)
	}
	if errors.Is(err, amqp.ErrClosed) {
		err = g.lost(<-g.closed) // the refusal was there before the question
	}
	if err != nil {
		return reply.Vanished(g.broker.declared(), "", g.queue, reply.OfQueue(g.queue, reply.Named(err)))
	}
	g.deliveries, g.stopping = deliveries, false
	return nil
}

// nextTag names the next consumer of the channel.
func (g *generation) nextTag() string {
	g.consumers++
	return g.tag()
}

// tag is that of the latest consumer. A quorum queue keeps one that was cancelled for as long
// as something is in hand, so another one needs another name.
func (g *generation) tag() string {
	tag := cmp.Or(g.options.Consumer.Tag, "warren")
	if g.consumers > 1 {
		tag += "-" + strconv.Itoa(g.consumers)
	}
	return tag
}

func arguments(o broker.ConsumerOptions, begin any) amqp.Table {
	if o.Priority == 0 && begin == nil && len(o.Arguments) == 0 {
		return nil
	}
	args := table(o.Arguments)
	if args == nil {
		args = amqp.Table{}
	}
	if o.Priority != 0 {
		args["x-priority"] = int64(o.Priority)
	}
	if begin != nil {
		args[headerOffset] = begin
	}
	return args
}

// watch ends the life of the deliveries when the channel is gone. It goes on when the
// subscription has stopped: what is in hand then is told as well.
func (g *generation) watch() {
	var e ending
	select {
	case _, ok := <-g.cancelled:
		if ok {
			e.overdue, _ = g.acks.Oldest()
			e.cause = fmt.Errorf("the broker cancelled the consumer: its queue %q was deleted or has moved, or a message took longer than the consumer timeout", g.queue)
		} else {
			e.cause = g.lost(<-g.closed) // both are closed with the channel
		}
	case err := <-g.closed:
		e.cause = g.lost(err)
	}
	g.shared.Lose(&e)
}

// ending is the cause of the end of a life: the channel is gone.
type ending struct {
	cause   error
	overdue *broker.Delivery // may have been held for longer than the consumer timeout
}

func (e *ending) Error() string   { return processor.ErrStale.Error() + ": " + e.cause.Error() }
func (e *ending) Unwrap() []error { return []error{processor.ErrStale, e.cause} }

// ended returns how the generation has ended, when it has.
func (g *generation) ended() *ending {
	cause := context.Cause(g.shared.Life())
	if e, ok := cause.(*ending); ok { //nolint:errorlint // never wrapped
		return e
	}
	return &ending{cause: cause} // it was shut
}

// lost is why the channel was closed. err is nil when the connection went first.
func (g *generation) lost(err *amqp.Error) error {
	if err != nil {
		return err
	}
	return cmp.Or(g.session.Err(), error(amqp.ErrClosed))
}

// receive makes a message of a delivery. It returns false if nobody may have it any more: it
// comes again.
func (g *generation) receive(d *amqp.Delivery) (*broker.Delivery, bool) {
	g.used.Store(true)
	e := envelope(d)
	var settler broker.Acknowledger = g
	if isMalformed(e.Headers) {
		settler = malformed{g, e}
	}
	msg := g.shared.Deliver(e, origin(g.queue, d), settler, d.DeliveryTag)
	switch {
	case g.shared.Lost(): // the client hands over what it has buffered
		return msg, false
	case g.acks.Receive(d.DeliveryTag, msg):
		if g.isStream() {
			g.position.pass(d.DeliveryTag, e.Headers)
		}
		return msg, true
	}
	_ = g.setAside(d.DeliveryTag) // an error is that of a channel that is gone
	return msg, false
}

// Ack acks one delivery of this generation, a moment later: see [acks.Ledger].
func (g *generation) Ack(tag uint64) error { return g.acks.Ack(tag) }

// Nack rejects one delivery: basic.reject counts as an attempt on a quorum queue. So none is
// sent where the broker has cancelled the consumer and its channel is still open: the message
// comes again anyway. An ack is: it may still be in time.
func (g *generation) Nack(tag uint64, requeue bool) error {
	if g.shared.Lost() {
		return processor.ErrStale
	}
	return g.acks.Nack(tag, requeue)
}

// Release gives one delivery back with basic.nack, which from RabbitMQ 4.3 on does not
// count as an attempt. As with Nack, there is nothing to give back once the channel is lost.
func (g *generation) Release(tag uint64) error {
	if g.shared.Lost() {
		return processor.ErrStale
	}
	return g.acks.Release(tag)
}

// stale: whatever keeps a settlement from being sent is the end of the channel, and then
// the broker requeues the delivery.
func stale(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", processor.ErrStale, err)
}
