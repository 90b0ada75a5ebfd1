package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// errNotSent says that a publish did not leave this process, and may be tried on the
// next channel.
var errNotSent = errors.New("not sent")

// confirmChannel is one generation of the publisher's channel: in confirm mode, and
// shared by many goroutines that each wait for their own confirm.
//
// # Returned messages
//
// The broker returns what it cannot route and then confirms it, so a confirm says
// nothing by itself. The client hands a return to the channel `returns` before it
// resolves the confirm of the same publish. Whoever sees its confirm therefore finds
// its return in there, or marked already by another who emptied the channel: emptying
// and marking happen under one lock, and everybody takes it after the confirm. A
// goroutine that received from `returns` and only then took the lock would break this:
// between the two a publish would look routed.
//
// The channel cannot fill up and stall the client: it has room for as many returns as
// there are slots, and a slot is freed only after `returns` was emptied.
type confirmChannel struct {
	session *failover.Session
	channel *amqp.Channel
	returns chan amqp.Return
	closed  chan *amqp.Error
	slots   chan struct{}

	mu        sync.Mutex
	sequence  uint64
	waiting   map[*publish]struct{}
	exchanges map[string]struct{} // known to exist
	retired   bool                // takes no new publish; closed when the last is answered
	cause     error               // why it was closed, once somebody has asked
}

// publish is one message that waits for its confirm.
type publish struct {
	sequence uint64
	to       processor.Destination
	message  amqp.Publishing
	returned *amqp.Return
}

func newConfirmChannel(session *failover.Session, ch *amqp.Channel) *confirmChannel {
	return &confirmChannel{
		session:   session,
		channel:   ch,
		returns:   ch.NotifyReturn(make(chan amqp.Return, maxInFlight)),
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
		slots:     make(chan struct{}, maxInFlight),
		waiting:   map[*publish]struct{}{},
		exchanges: map[string]struct{}{"": {}},
	}
}

// usable reports whether new publishes may use the channel.
func (c *confirmChannel) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The channel learns of the end of its session a moment later than the session.
	return !c.retired && !c.channel.IsClosed() && c.session.Err() == nil
}

// send writes the message and returns what to wait for. errNotSent is returned if the
// channel was gone before anything was written.
func (c *confirmChannel) send(ctx context.Context, p *publish) (*amqp.DeferredConfirmation, error) {
	select {
	case c.slots <- struct{}{}:
	case <-c.session.Done():
		return nil, errNotSent
	case <-ctx.Done():
		return nil, fmt.Errorf("rabbitmq: publish to %s: %d publishes wait for their confirm: %w", p.to, maxInFlight, ended(ctx))
	}
	if !c.register(p) {
		<-c.slots
		return nil, errNotSent
	}
	confirm, err := c.channel.PublishWithDeferredConfirm(p.to.Exchange, p.to.RoutingKey, true, false, p.message)
	if err == nil {
		return confirm, nil
	}
	c.answered(p)
	if errors.Is(err, amqp.ErrClosed) {
		// Nothing, or the head of a message without its end, was written.
		return nil, errNotSent
	}
	return nil, unknownOutcome(p.to, err)
}

// register comes before the write, so that a return finds its publish.
func (c *confirmChannel) register(p *publish) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retired {
		return false
	}
	c.sequence++
	p.sequence = c.sequence
	c.waiting[p] = struct{}{}
	return true
}

// answered is called once for each registered publish, when its confirm has come or
// never will. It looks at the returns first: see the type's comment.
func (c *confirmChannel) answered(p *publish) {
	c.mu.Lock()
	c.markReturned()
	delete(c.waiting, p)
	last := c.retired && len(c.waiting) == 0
	c.mu.Unlock()
	<-c.slots
	if last {
		_ = c.channel.Close()
	}
}

// markReturned empties the returns. The caller holds mu.
func (c *confirmChannel) markReturned() {
	for {
		select {
		case r, ok := <-c.returns:
			if !ok {
				c.returns = nil // closed with the channel; a nil one is never ready
				return
			}
			if p := c.match(&r); p != nil {
				p.returned = &r
			}
		default:
			return
		}
	}
}

// match finds the publish that was returned. A return carries no delivery tag, but the
// whole message: of several that are equal in all of it the first is as good as any.
func (c *confirmChannel) match(r *amqp.Return) *publish {
	var found *publish
	var exact bool
	for p := range c.waiting {
		if p.returned != nil || !p.looksLike(r) {
			continue
		}
		same := p.sameHeaders(r)
		if found == nil || same && !exact || same == exact && p.sequence < found.sequence {
			found, exact = p, same
		}
	}
	return found
}

func (p *publish) looksLike(r *amqp.Return) bool {
	return p.to.Exchange == r.Exchange && p.to.RoutingKey == r.RoutingKey &&
		p.message.MessageId == r.MessageId && p.message.CorrelationId == r.CorrelationId &&
		string(p.message.Body) == string(r.Body)
}

// sameHeaders compares as Warren reads headers, since the wire has one type less.
func (p *publish) sameHeaders(r *amqp.Return) bool {
	sent, came := headers(p.message.Headers), headers(r.Headers)
	return len(sent) == 0 && len(came) == 0 || reflect.DeepEqual(sent, came)
}

// outcome reads what became of a publish whose confirm is resolved. false means one of
// two things: a nack on a channel that lives, or a channel that closed.
func (c *confirmChannel) outcome(p *publish, acked bool) error {
	switch {
	case p.returned != nil:
		return fmt.Errorf("rabbitmq: publish to %s: %w (%d %s)", p.to, processor.ErrUnroutable, p.returned.ReplyCode, p.returned.ReplyText)
	case acked:
		return nil
	case c.channel.IsClosed():
		return unknownOutcome(p.to, c.why())
	}
	return fmt.Errorf("rabbitmq: publish to %s: %w", p.to, processor.ErrRefused)
}

// why is the reason for which the channel was closed.
func (c *confirmChannel) why() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause == nil {
		c.cause = c.closing()
	}
	return c.cause
}

func (c *confirmChannel) closing() error {
	select {
	case e := <-c.closed:
		if e != nil {
			return fmt.Errorf("the channel was closed: %w", e)
		}
	default:
	}
	if err := c.session.Err(); err != nil {
		return err
	}
	return errors.New("the channel was closed")
}

// retire takes no new publishes, and closes the channel when those that wait are
// answered. It reports whether it was the first to do so.
func (c *confirmChannel) retire() bool {
	c.mu.Lock()
	first := !c.retired
	c.retired = true
	last := first && len(c.waiting) == 0
	c.mu.Unlock()
	if last {
		_ = c.channel.Close()
	}
	return first
}

// knows reports whether the exchange was seen to exist on this channel.
func (c *confirmChannel) knows(exchange string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.exchanges[exchange]
	return ok
}

func (c *confirmChannel) learn(exchange string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exchanges[exchange] = struct{}{}
}
