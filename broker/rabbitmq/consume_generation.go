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

// generation is one consuming channel: its deliveries can be settled on no other.
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
	used       atomic.Bool // a message was delivered

	shared   *broker.Channel // of its deliveries
	acks     *acks.Ledger[*broker.Delivery]
	position position // in the stream, if the queue is one

	// asking is held while the broker is asked something on the channel: the client gives an answer
	// to any goroutine that waits for one.
	asking    sync.Mutex
	consumers int  // begun so far; guarded by asking
	stopping  bool // we cancelled the consumer; guarded by asking

	cancelling atomic.Bool // it is being cancelled
	silent     atomic.Bool // the broker did not answer in time
}

var _ broker.Acknowledger = (*generation)(nil)

// openGeneration opens a channel and consumes, once the broker's topology has been declared later
// than after. It returns when ctx ends, whatever the broker does; what opens later is for the next call.
func (s *subscription) openGeneration(ctx context.Context, begin any, after time.Time) (*generation, error) {
	if s.late != nil {
		if g, err := s.take(ctx); err == nil || ctx.Err() != nil {
			return g, err
		}
	}
	b, queue := s.broker, s.queue
	session, err := b.consuming.Session(ctx)
	if err != nil {
		return nil, err
	}
	own := declare.Only(b.declared(), func(name string) bool { return name == queue })
	if err := version.Of(session.ServerProperties()).Lacks(own.Queues); err != nil {
		return nil, err
	}
	if _, err := b.onConsuming.On(ctx, session, after); err != nil {
		return nil, err
	}
	if err := s.declareOwn(ctx, session); err != nil {
		return nil, err
	}
	s.late, err = life.Begin(b.life, func() (*generation, error) {
		defer time.AfterFunc(declare.QueueAnswer, func() {
			b.life.Log.Warn("consuming channel not opened yet: there is no answer", slog.String("queue", queue), slog.String("node", session.Node()))
		}).Stop()
		ch, err := session.Channel(ctx)
		if err != nil {
			return nil, err
		}
		g := s.newGeneration(session, ch)
		g.shared.HoldsFailed = slices.ContainsFunc(own.Queues, version.HoldsFailed)
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
	if err != nil {
		return nil, err
	}
	return s.take(ctx)
}

// take waits for the generation that is being opened. A queue that does not answer serves what it was asked when
// it answers again: with a consumer for each resume, all of them would get messages then.
func (s *subscription) take(ctx context.Context) (*generation, error) {
	select {
	case r := <-s.late.Came():
		s.late = nil
		return r.Value, r.Err
	case <-ctx.Done():
		return nil, life.Ended(ctx)
	}
}

// leaveLate closes what opens after the subscription has ended.
func (s *subscription) leaveLate() {
	if s.late != nil {
		s.late.Leave()
		s.late = nil
	}
}

// declareOwn declares what belongs to the subscription: a queue that the broker removes with its
// last consumer.
func (s *subscription) declareOwn(ctx context.Context, session *failover.Session) error {
	own := declare.OfSubscription(s.broker.declared(), s.queue)
	if len(own.Queues) == 0 {
		return nil
	}
	d := s.broker.onConsuming.Declarer(session, nil)
	defer d.Close()
	return d.Declare(ctx, own, life.AnswerTimeout)
}

func (s *subscription) newGeneration(session *failover.Session, ch *amqp.Channel) *generation {
	return &generation{
		broker: s.broker, queue: s.queue, options: s.options, session: session, channel: ch, opened: time.Now(),
		shared: broker.NewChannel(s.options),
		acks: acks.New[*broker.Delivery](ch, acks.Options{
			Prefetch: s.options.Prefetch, Ordered: s.options.Ordered, Singly: s.broker.acksSingly,
		}),
		// Registered before consuming, to miss nothing. Each has room for its only event.
		cancelled: ch.NotifyCancel(make(chan string, 1)),
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
	}
}

// consume starts the deliveries, without the broker's consume-ok. RabbitMQ 3.10 may send consume-ok
// twice while a quorum queue changes its leader, and the client's reader then blocks on the second,
// which no goroutine receives: the whole connection hangs. So the answer to the next question shows
// whether the broker consumes.
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

// nextTag names the channel's next consumer.
func (g *generation) nextTag() string {
	g.consumers++
	return g.tag()
}

// tag is that of the latest consumer. A quorum queue keeps a cancelled consumer while any of its
// messages is in flight, so the next consumer needs another name.
func (g *generation) tag() string {
	tag := cmp.Or(g.options.Consumer.Tag, "warren")
	if g.consumers > 1 {
		tag += "-" + strconv.Itoa(g.consumers)
	}
	return tag
}

func arguments(o broker.ConsumerOptions, begin any) amqp.Table {
	args := table(o.AllArguments())
	if begin != nil {
		args[headerOffset] = begin
	}
	return args
}

// watch ends the context of the deliveries when the channel is lost. It runs on after the
// subscription has stopped, for the messages still in flight.
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

// ending is the cause with which a generation's context ends: the channel is lost.
type ending struct {
	cause   error
	overdue *broker.Delivery // may have been held for longer than the consumer timeout
}

func (e *ending) Error() string   { return processor.ErrStale.Error() + ": " + e.cause.Error() }
func (e *ending) Unwrap() []error { return []error{processor.ErrStale, e.cause} }

// ended returns how the generation has ended, or nil.
func (g *generation) ended() *ending {
	cause := context.Cause(g.shared.Life())
	if e, ok := cause.(*ending); ok { //nolint:errorlint // never wrapped
		return e
	}
	return &ending{cause: cause} // shut by us
}

// lost returns why the channel was closed. err is nil when the connection was lost first.
func (g *generation) lost(err *amqp.Error) error {
	if err != nil {
		return err
	}
	return cmp.Or(g.session.Err(), error(amqp.ErrClosed))
}

// receive makes a message of a delivery. It returns false if the message must not be processed: it
// is redelivered.
func (g *generation) receive(d *amqp.Delivery) (*broker.Delivery, bool) {
	g.used.Store(true)
	e := envelope(d)
	msg := g.deliver(e, d)
	switch {
	case g.shared.Lost(): // the client delivers what it has buffered
		if g.isStream() {
			g.position.miss(e.Headers)
		}
		return msg, false
	case g.acks.Receive(d.DeliveryTag, msg):
		if g.isStream() {
			g.position.pass(d.DeliveryTag, e.Headers)
		}
		return msg, true
	}
	_ = g.setAside(d) // fails only if the channel is lost
	return msg, false
}

// deliver makes the message, which knows how it is settled.
func (g *generation) deliver(e processor.Envelope, d *amqp.Delivery) *broker.Delivery {
	if !isMalformed(e.Headers) {
		return g.shared.Deliver(e, origin(g.queue, d), g, d.DeliveryTag)
	}
	m := &malformed{generation: g}
	m.message = g.shared.Deliver(e, origin(g.queue, d), m, d.DeliveryTag)
	return m.message
}

// Ack acks one delivery of this generation, a moment later: see [acks.Ledger].
func (g *generation) Ack(tag uint64) error { return g.acks.Ack(tag) }

// Nack rejects one delivery: basic.reject counts as an attempt on a quorum queue. It is not sent
// where the broker has cancelled the consumer and its channel is still open: the message is
// redelivered anyway. An ack is sent there, since it may still be in time.
func (g *generation) Nack(tag uint64, requeue bool) error {
	if g.shared.Lost() {
		return processor.ErrStale
	}
	return g.acks.Nack(tag, requeue)
}

// Release requeues one delivery with basic.nack, which from RabbitMQ 4.3 on does not count as an
// attempt. Like Nack, it sends nothing once the channel is lost.
func (g *generation) Release(tag uint64) error {
	if g.shared.Lost() {
		return processor.ErrStale
	}
	return g.acks.Release(tag)
}

// stale marks the error of a settlement that could not be sent: the channel has ended, so the
// broker requeues the delivery.
func stale(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", processor.ErrStale, err)
}
