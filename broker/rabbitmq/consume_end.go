package rabbitmq

import (
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
)

// shut closes the channel, which requeues what is unsettled on it.
//
// RabbitMQ 4.3 counts the end of a channel as a failed delivery of every message unsettled on it,
// and drops those that have used up the delivery limit. It does not count basic.nack. So from 4.0
// on the consumer is cancelled, and all that it holds is requeued by one basic.nack, which keeps
// the order. Before 4.0 everything counts, and messages requeued one by one go to the tail, so
// there closing the channel requeues them.
//
// Between our channel.close and the broker's answer the client may still send on the channel, and a
// settlement that arrives after channel.close ends the whole connection, with all its
// subscriptions. So no settlement is in progress when channel.close is sent, and none follows.
//
// If the broker does not answer in time its connection is cut, which also ends a settlement that
// hangs.
func (g *generation) shut() {
	cut := time.AfterFunc(life.AnswerTimeout, g.abandon)
	defer cut.Stop()
	_ = g.acks.Close() // fails only if the channel is lost
	g.shared.Lose(nil)
	g.asking.Lock()
	defer g.asking.Unlock()
	if g.givesBackAtOnce() && g.cancel() == nil {
		// Tag 0 is all that is outstanding. This fails only if the channel is lost.
		_ = g.channel.Nack(0, true, true)
	}
	_ = g.channel.Close()
	g.broker.consumers.remove(g)
}

// abandon gives up on the channel, which has not answered in time. A quorum queue without a
// majority does not answer a cancel, nor anything after it on the channel. In
// that case the connection is cut only if it does not answer on another channel either.
func (g *generation) abandon() {
	if g.cancelling.Load() {
		ch, err := g.session.Channel(g.broker.life.Context()) // cuts the connection if it does not answer
		if err == nil {
			_ = ch.Close()
		}
		return
	}
	g.session.Abort(fmt.Errorf("closing the channel of queue %q: no answer in %v", g.queue, life.AnswerTimeout))
}

// givesBackAtOnce reports whether all outstanding messages are requeued by one basic.nack.
func (g *generation) givesBackAtOnce() bool {
	return version.Of(g.session.ServerProperties()).KeepsOrderOfNack()
}

// setAside requeues what is not received; with Ordered it waits, to be requeued with the others. A stream takes
// nothing back, and its next consumer begins there.
func (g *generation) setAside(d *amqp.Delivery) error {
	if g.isStream() {
		g.position.miss(headers(d.Headers))
	}
	g.acks.Came(d.DeliveryTag)
	if g.options.Ordered {
		return nil
	}
	return g.acks.Release(d.DeliveryTag)
}

// hasStopped reports whether we cancelled the consumer.
func (g *generation) hasStopped() bool {
	g.asking.Lock()
	defer g.asking.Unlock()
	return g.stopping
}

// cancel ends the consumer. The caller holds asking.
func (g *generation) cancel() error {
	if g.stopping {
		return nil
	}
	g.cancelling.Store(true)
	defer g.cancelling.Store(false)
	if err := g.channel.Cancel(g.tag(), false); err != nil {
		return stale(err)
	}
	g.stopping = true
	return nil
}

// giveBack cancels the consumer and requeues what was delivered and not received.
func (g *generation) giveBack() error {
	g.asking.Lock()
	defer g.asking.Unlock()
	if err := g.acks.Flush(); err != nil {
		return err
	}
	if err := g.cancel(); err != nil {
		return err
	}
	// The client delivers what it has buffered, and then closes the channel.
	for d := range g.deliveries {
		if err := g.setAside(&d); err != nil {
			return err
		}
	}
	g.position.await()
	return nil
}
