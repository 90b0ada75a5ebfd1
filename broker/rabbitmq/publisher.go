package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// publisher keeps one confirming channel and opens the next when it is gone.
type publisher struct {
	broker *Broker

	mu         sync.Mutex
	current    *confirmChannel
	opening    chan struct{} // closed when the opening that is under way has ended; nil if none is
	openingErr error         // of the last opening, if trying again cannot mend it
	refusals   refusals
}

var _ processor.Publisher = (*publisher)(nil)

// Publish sends e and waits until the broker has it. It says what became of e as
// [processor.Publisher] lists it.
//
// While a connection is being replaced Publish waits, as long as ctx allows: nothing was
// sent. A ctx that ends before that is [processor.ErrBlocked] if the broker blocked, and
// otherwise ctx's own error.
func (p *publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	e, err := broker.Prepare(to, e)
	if err != nil {
		return fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	message := publishing(e)
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("rabbitmq: publish to %s: not sent: %w", to, ended(ctx))
		}
		c, err := p.ready(ctx, to)
		if err != nil {
			return err
		}
		err = p.publishOn(ctx, c, &publish{to: to, message: message})
		if !errors.Is(err, errNotSent) {
			return err
		}
	}
}

// ready returns a channel that can take a message for that destination now.
func (p *publisher) ready(ctx context.Context, to processor.Destination) (*confirmChannel, error) {
	c, err := p.channel(ctx)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	if err := c.session.Unblocked(ctx); err != nil && c.session.Err() == nil {
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w: %w", to, processor.ErrBlocked, err)
	}
	if c.knows(to.Exchange) {
		return c, nil
	}
	if err := p.lookUp(ctx, to.Exchange); err != nil {
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	c.learn(to.Exchange)
	return c, nil
}

// lookUp keeps a publish to a missing exchange off the shared channel, which it would
// close.
func (p *publisher) lookUp(ctx context.Context, exchange string) error {
	err := p.broker.ask(ctx, func(ch *amqp.Channel) error {
		return ch.ExchangeDeclarePassive(exchange, string(broker.Direct), true, false, false, false, nil)
	})
	var e *amqp.Error
	if errors.As(err, &e) && e.Code == amqp.NotFound {
		return fmt.Errorf("%w: the exchange does not exist: %w", processor.ErrUnroutable, err)
	}
	if errors.Is(err, failover.ErrLost) || errors.Is(err, amqp.ErrClosed) {
		return nil // the channel to publish on is gone too, and the next one asks again
	}
	return err
}

// publishOn publishes on one channel and waits for the outcome.
func (p *publisher) publishOn(ctx context.Context, c *confirmChannel, pub *publish) error {
	confirm, err := c.send(ctx, pub)
	if err != nil {
		return err
	}
	select {
	case <-confirm.Done():
	case <-ctx.Done():
		late := func() {
			<-confirm.Done() // the answer, or the end of the channel
			c.answered(pub)
		}
		if !p.broker.background.start(late) {
			late() // the connection is being cut
		}
		return unknownOutcome(pub.to, ended(ctx))
	}
	c.answered(pub)
	err = c.outcome(pub, confirm.Acked())
	if errors.Is(err, processor.ErrRefused) {
		p.refused(c)
	}
	return err
}

// channel returns the current channel, or waits for one to be opened.
func (p *publisher) channel(ctx context.Context) (*confirmChannel, error) {
	for {
		p.mu.Lock()
		if p.broker.life.Err() != nil {
			p.mu.Unlock()
			return nil, processor.ErrClosed
		}
		if p.current != nil && p.current.usable() {
			c := p.current
			p.mu.Unlock()
			return c, nil
		}
		if p.opening == nil {
			p.open()
		}
		opening := p.opening
		p.mu.Unlock()

		select {
		case <-opening:
		case <-ctx.Done():
			return nil, ended(ctx)
		}
		p.mu.Lock()
		err := p.openingErr
		p.mu.Unlock()
		if err != nil {
			return nil, err
		}
	}
}

// open starts to open a channel, for all who wait and on the broker's own time: the
// context of the one that came first may end. The caller holds mu.
func (p *publisher) open() {
	opening := make(chan struct{})
	p.opening, p.openingErr = opening, nil
	started := p.broker.background.start(func() {
		defer close(opening)
		c, err := p.openUntilDone()
		p.mu.Lock()
		defer p.mu.Unlock()
		if err == nil {
			p.current = c
		}
		p.opening, p.openingErr = nil, err
	})
	if !started {
		p.opening, p.openingErr = nil, processor.ErrClosed
		close(opening)
	}
}

// openUntilDone opens a channel, trying again for as long as that may help.
func (p *publisher) openUntilDone() (*confirmChannel, error) {
	for n := 1; ; n++ {
		c, err := p.openOnce(p.broker.life)
		if err == nil {
			return c, nil
		}
		if p.broker.life.Err() != nil {
			return nil, processor.ErrClosed
		}
		if fatal(err) {
			return nil, err
		}
		p.broker.log.Warn("publishing channel not opened, trying again", slog.Any("error", err), slog.Duration("wait", wait(n)))
		sleep(p.broker.life, wait(n))
	}
}

func (p *publisher) openOnce(ctx context.Context) (*confirmChannel, error) {
	session, err := p.broker.publishing.Session(ctx)
	if err != nil {
		return nil, err
	}
	ch, err := session.Channel(ctx)
	if err != nil {
		return nil, err
	}
	topology := p.broker.declared()
	if err := declare(ch, topology); err != nil {
		return nil, err
	}
	c := newConfirmChannel(session, ch)
	if err := ch.Confirm(false); err != nil {
		return nil, err
	}
	for _, x := range topology.Exchanges {
		c.learn(x.Name)
	}
	return c, nil
}

// refused replaces a channel on which the broker has nacked: after a quorum queue has
// moved to another node, a channel can go on nacking for ever. A queue that is full
// nacks as well, on any channel, so the channel is not replaced at each nack.
func (p *publisher) refused(c *confirmChannel) {
	p.mu.Lock()
	due := p.refusals.due(time.Now())
	p.mu.Unlock()
	if due {
		c.retire()
	}
}

// refusals paces the replacement of channels.
type refusals struct {
	last     time.Time     // nack
	replaced time.Time     // channel
	interval time.Duration // until the next replacement
}

// Replacements are at least this far apart, doubling while nacks go on.
const (
	firstInterval = 100 * time.Millisecond
	lastInterval  = 5 * time.Second
	quietAfter    = 30 * time.Second
)

// due reports whether a nack at that time is to replace the channel.
func (r *refusals) due(now time.Time) bool {
	if now.Sub(r.last) > quietAfter {
		r.interval = 0
	}
	r.last = now
	if now.Sub(r.replaced) < r.interval {
		return false
	}
	r.replaced = now
	r.interval = min(max(2*r.interval, firstInterval), lastInterval)
	return true
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
