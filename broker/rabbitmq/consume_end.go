package rabbitmq

import (
	"fmt"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
)

// shut closes the channel; what is unsettled on it is requeued.
//
// RabbitMQ 4.3 counts the end of a channel as a failed delivery of all that is unsettled on
// it, and drops what has used up the delivery limit. It does not count basic.nack. So from 4.0
// on the consumer is cancelled, and all that it holds goes back with one basic.nack, which
// keeps its order. Before 4.0 everything counts, and what is given back one by one goes to the
// tail, so there the end of the channel is left to do it.
//
// The client goes on sending on a channel between our goodbye and the broker's, and a
// settlement that arrives after the goodbye ends the whole connection, with every other
// subscription on it. So none is under way when the goodbye is sent, and none follows.
//
// A broker that does not answer in time has its connection cut, which also ends a
// settlement that hangs.
func (g *generation) shut() {
	cut := time.AfterFunc(life.AnswerTimeout, g.abandon)
	defer cut.Stop()
	_ = g.acks.Close() // an error is that of a channel that is gone
	g.shared.Lose(nil)
	g.asking.Lock()
	defer g.asking.Unlock()
	if g.givesBackAtOnce() && g.cancel() == nil {
		// Tag 0 is all that is outstanding. Errors are those of a channel that is gone.
		_ = g.channel.Nack(0, true, true)
	}
	_ = g.channel.Close()
	g.broker.consumers.remove(g)
}

// abandon cuts the connection, which has not answered in time. A quorum queue without a majority
// does not answer a cancel, and nothing behind it on its channel: where the connection has an
// answer to something else, the other channels are left alone, and this one to itself.
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

// givesBackAtOnce reports whether all that is outstanding goes back by one basic.nack.
func (g *generation) givesBackAtOnce() bool {
	return version.Of(g.session.ServerProperties()).KeepsOrderOfNack()
}

// setAside gives back what is not received. Where the order matters it goes back with the others.
func (g *generation) setAside(tag uint64) error {
	g.acks.Came(tag)
	if g.options.Ordered {
		return nil
	}
	return g.acks.Release(tag)
}

// hasStopped reports whether the consumer was cancelled by us.
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
	// The client hands over what it has buffered, and then closes the channel.
	for d := range g.deliveries {
		if g.isStream() {
			g.position.miss(headers(d.Headers))
		}
		if err := g.setAside(d.DeliveryTag); err != nil {
			return err
		}
	}
	return nil
}
