// Package publish sends messages on a confirming channel that many goroutines share, replaces the
// channel when it is lost, and returns the outcome of each message.
package publish

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// Broker is what a publisher needs of its broker.
type Broker struct {
	Life       *life.Life
	Connection *failover.Connection
	// Declared returns once the topology has been declared on a session since a moment.
	Declared func(context.Context, *failover.Session, time.Time) (broker.Topology, error)
	// Ask asks the broker something on a channel of its own, on the other connection.
	Ask func(context.Context, func(*amqp.Channel) error) error
}

// Publisher keeps one confirming channel and opens the next when it is gone.
type Publisher struct {
	broker  Broker
	replies *Replies // nil if it sends no requests

	mu       sync.Mutex
	current  *confirmChannel
	opening  *opening // in progress; nil if none is
	deaths   int      // channels in a row that the broker closed soon
	learned  *learned // on the connection of current
	refusals refusals

	silences silences
	crashes  crashes
}

var _ processor.Publisher = (*Publisher)(nil)

// New returns a publisher, which opens its first channel at the first publish.
func New(b Broker) *Publisher { return &Publisher{broker: b} }

// Publish sends e and waits until the broker has it. Its errors are those that
// [processor.Publisher] lists.
//
// While a connection is being replaced Publish waits, as long as ctx allows. A ctx that ends before
// e was sent is [processor.ErrBlocked] if the broker blocked, and otherwise ctx's own error. ctx
// does not end the write itself: if the peer reads no more, a body larger than the network's
// buffers waits until the heartbeats give up, one and a half times their interval.
func (p *Publisher) Publish(ctx context.Context, to processor.Destination, e processor.Envelope) error {
	e, err := broker.Prepare(to, e)
	if err != nil {
		return fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("rabbitmq: publish to %s: not sent: %w", to, life.Ended(ctx))
		}
		c, err := p.ready(ctx, to, e)
		if err == nil {
			err = p.publishOn(ctx, c, &publish{to: to, message: c.publishing(ctx, e), unusual: unusual(to, e)})
			c.doneWith()
		}
		if !errors.Is(err, errNotSent) {
			return err
		}
	}
}

// ready returns a channel that can take the message now.
func (p *Publisher) ready(ctx context.Context, to processor.Destination, e processor.Envelope) (*confirmChannel, error) {
	silent, err := p.silences.wait(ctx, p.broker.Life.Context().Done(), to)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	c, err := p.fitting(ctx, to, e, silent != nil)
	p.silences.asked(silent, c)
	if err != nil {
		return nil, err
	}
	// After the wait for a channel, which many may have begun before the crash that it is for.
	if err := p.crashes.check(unusual(to, e)); err != nil {
		c.doneWith()
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	return c, nil
}

// fitting returns a channel that can take the message, for it alone if alone is true, or if it might
// harm others.
func (p *Publisher) fitting(ctx context.Context, to processor.Destination, e processor.Envelope, alone bool) (*confirmChannel, error) {
	fail := func(err error) (*confirmChannel, error) {
		return nil, fmt.Errorf("rabbitmq: publish to %s: %w", to, err)
	}
	c, err := p.channel(ctx)
	if err != nil {
		return fail(err)
	}
	if err := c.session.Unblocked(ctx); err != nil {
		if c.session.Err() != nil {
			return nil, errNotSent
		}
		return fail(fmt.Errorf("%w: %w", processor.ErrBlocked, err))
	}
	if err := c.takes(to, e); err != nil {
		return fail(err)
	}
	if err := c.learned.bodies.take(ctx, len(e.Body)); err != nil {
		return fail(err)
	}
	if err := c.exists(ctx, to.Exchange); err != nil {
		return fail(err)
	}
	again, err := c.allowed(ctx, to)
	if err != nil {
		return fail(err)
	}
	if again || alone || !takesTag(e, c.session.FrameSize()) {
		if c, err = p.apart(ctx, c); err != nil {
			return fail(err)
		}
	}
	return c, nil
}

// allowed returns why the message may not be published there, as far as that is known. When it is time to try one
// to a forbidden place, on a channel of its own, again is true for one caller.
func (c *confirmChannel) allowed(ctx context.Context, to processor.Destination) (again bool, why error) {
	again, why = c.learned.denials.check(to)
	if !again && why == nil {
		why = c.permitted(ctx, to)
	}
	return again, why
}

// publishOn publishes on one channel and waits for the outcome.
func (p *Publisher) publishOn(ctx context.Context, c *confirmChannel, pub *publish) error {
	confirm, err := c.send(ctx, pub)
	if err != nil {
		return err
	}
	return p.await(ctx, c, pub, confirm)
}

// await waits for the outcome of a message that was sent.
func (p *Publisher) await(ctx context.Context, c *confirmChannel, pub *publish, confirm *amqp.DeferredConfirmation) error {
	var left error
	select {
	case <-confirm.Done():
	case <-ctx.Done():
		left = p.silences.whose(pub.to, life.Ended(ctx))
	case <-c.stuck:
		left = errStuck
	}
	if left != nil {
		select {
		case <-confirm.Done(): // the confirm came at the same moment
		default:
			c.abandon(pub, confirm, func() { p.silences.end(pub.to) })
			return unknownOutcome(pub.to, left)
		}
	}
	// Before answered, which may close a replaced channel.
	acked, alive := confirm.Acked(), !c.channel.IsClosed()
	if acked || alive {
		p.silences.end(pub.to)
	}
	var unheld error
	if acked {
		unheld = c.hold(ctx, pub) // also before answered
	}
	c.answered(pub)
	err := c.outcome(pub, acked, alive)
	if err == nil {
		err = unheld
	}
	c.note(pub, acked, alive)
	if pub.unusual.what != "" {
		p.noteUnusual(c, pub, acked, alive)
	}
	if errors.Is(err, processor.ErrRefused) {
		p.refused(c) //nolint:contextcheck // the next channel is shared
	}
	return err
}

// noteUnusual records what the answer to an unusual message says about later ones.
func (p *Publisher) noteUnusual(c *confirmChannel, pub *publish, acked, alive bool) {
	switch {
	case acked:
		p.crashes.taken(pub.unusual)
	case !alive:
		p.crashes.add(pub.unusual, pub.sent, c.why())
	}
}

// channel returns the current channel, or waits for one to be opened.
func (p *Publisher) channel(ctx context.Context) (*confirmChannel, error) {
	for {
		p.mu.Lock()
		if p.current != nil && p.current.usable() {
			defer p.mu.Unlock()
			return p.current, nil
		}
		o := p.opening
		if o == nil {
			o = p.open() //nolint:contextcheck // as above
		}
		p.mu.Unlock()

		select {
		case <-o.done:
		case <-ctx.Done():
			return nil, p.notSent(ctx)
		}
		if o.err != nil {
			return nil, o.err
		}
	}
}

// frameSize is that of the current session, 0 if there is none.
func (p *Publisher) frameSize() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == nil {
		return 0
	}
	return p.current.session.FrameSize()
}

// notSent is the error of a publish that waited for a channel, with the reason that the connection
// knows for there being none. The reason is not wrapped: it is no answer to the publish.
func (p *Publisher) notSent(ctx context.Context) error {
	err := fmt.Errorf("not sent: %w", life.Ended(ctx))
	if why := p.broker.Connection.Ready(); why != nil {
		err = fmt.Errorf("%w: %v", err, why) //nolint:errorlint // see above
	}
	return err
}
