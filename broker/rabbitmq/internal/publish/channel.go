package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
	"github.com/gowarren/warren/broker/rabbitmq/internal/version"
	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/internal/amqpwire"
	"github.com/gowarren/warren/internal/republish"
	"github.com/gowarren/warren/processor"
)

// errNotSent says that a publish did not leave this process, and may be tried on the next channel.
var errNotSent = errors.New("not sent")

// confirmChannel is one generation of the publisher's channel: in confirm mode, and shared by many
// goroutines that each wait for their own confirm.
//
// # Returned messages
//
// The broker returns what it cannot route and then confirms it, so a confirm alone says nothing.
// The client puts a return into the channel `returns` before it resolves the confirm of the same
// publish. A goroutine that sees its confirm therefore finds its return in `returns`, or in
// `unclaimed`, where whichever goroutine drained `returns` put it: draining and storing happen
// under one lock, which every goroutine takes after its confirm. If a goroutine received from
// `returns` and only then took the lock, a publish would look routed in between. See claim for how
// returns are matched to publishes.
//
// The channel `returns` cannot fill up and stall the client: it has room for as many returns as
// there are slots, and a slot is freed only after `returns` was drained.
type confirmChannel struct {
	life    *life.Life
	session *failover.Session
	channel *amqp.Channel
	learned *learned // of the session, shared by its channels
	apart   bool     // for one message only
	opened  time.Time
	returns chan amqp.Return
	closed  chan *amqp.Error
	slots   chan struct{}

	mu        sync.Mutex
	waiting   map[*publish]struct{}
	unclaimed []returned
	exchanges map[string]*lookUp
	awaited   int   // publishes that wait and are not abandoned
	retired   bool  // takes no new publish; closed when none is awaited
	parting   bool  // being closed, or closed
	cause     error // why it was closed; set when first asked for
}

// publish is one message that waits for its confirm. It is guarded by the channel's mutex
// until it is answered.
type publish struct {
	to       processor.Destination
	message  amqp.Publishing
	returned *amqp.Return
	doubtful bool // a return may belong to this publish or to another

	abandoned bool // its caller has stopped waiting
}

func newConfirmChannel(l *life.Life, session *failover.Session, ch *amqp.Channel) *confirmChannel {
	return &confirmChannel{
		life:      l,
		session:   session,
		channel:   ch,
		opened:    time.Now(),
		returns:   ch.NotifyReturn(make(chan amqp.Return, maxInFlight)),
		closed:    ch.NotifyClose(make(chan *amqp.Error, 1)),
		slots:     make(chan struct{}, maxInFlight),
		waiting:   map[*publish]struct{}{},
		exchanges: map[string]*lookUp{"": found},
	}
}

// usable reports whether new publishes may use the channel.
func (c *confirmChannel) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The channel learns of the end of its session a moment after the session.
	return !c.retired && !c.channel.IsClosed() && c.session.Err() == nil
}

// directReply asks the broker to send replies to the channel that publishes.
const directReply = "amq.rabbitmq.reply-to"

// takes returns why the broker would close the channel, or its connection, over e.
func (c *confirmChannel) takes(e processor.Envelope) error {
	if user := c.session.User(); e.UserID != "" && user != "" && e.UserID != user {
		return fmt.Errorf("%w: the user id must be that of the connection, or empty", processor.ErrForbidden)
	}
	if e.ReplyTo == directReply {
		return fmt.Errorf("%w: reply-to %q is for a channel that consumes from it, and this one does not: name a queue", processor.ErrForbidden, directReply)
	}
	return broker.FitsFrame(e, c.session.FrameSize())
}

// send writes the message and returns what to wait for. It returns errNotSent if the channel was
// gone before anything was written.
//
// ctx does not end the write. If the peer reads no more, the heartbeats notice and end it.
func (c *confirmChannel) send(ctx context.Context, p *publish) (*amqp.DeferredConfirmation, error) {
	select {
	case c.slots <- struct{}{}:
	case <-c.session.Done():
		return nil, errNotSent
	case <-ctx.Done():
		return nil, fmt.Errorf("rabbitmq: publish to %s: %d publishes wait for their confirm: %w", p.to, maxInFlight, life.Ended(ctx))
	}
	if !c.register(p) {
		<-c.slots
		return nil, errNotSent
	}
	confirm, err := c.channel.PublishWithDeferredConfirm(p.to.Exchange, p.to.RoutingKey, true, false, p.message)
	if err == nil {
		return confirm, nil
	}
	c.answered(p, false)
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
	c.waiting[p] = struct{}{}
	c.awaited++
	return true
}

// answered is called once for each registered publish, when its confirm has come or never will. It
// looks at the returns first: see the type's comment. A returned message is always confirmed, so
// one that was nacked or lost has no claim.
func (c *confirmChannel) answered(p *publish, acked bool) {
	c.mu.Lock()
	c.takeReturns()
	delete(c.waiting, p)
	if acked {
		c.claim(p)
	}
	if !p.abandoned {
		c.awaited--
	}
	unneeded := c.unneeded()
	c.mu.Unlock()
	<-c.slots
	if unneeded {
		c.close()
	}
}

// unneeded reports, once, that the channel may be closed. Abandoned publishes do not keep it open:
// they may never be answered, and while one queue answers nothing another may nack, and cause one
// channel after the other to be replaced. The caller holds mu.
func (c *confirmChannel) unneeded() bool {
	if !c.retired || c.awaited > 0 || c.parting {
		return false
	}
	c.parting = true
	return true
}

// abandon leaves a publish, to be answered in the background.
func (c *confirmChannel) abandon(p *publish, confirm *amqp.DeferredConfirmation) {
	if c.leave(p) {
		c.close()
	}
	late := func() {
		<-confirm.Done() // the answer, or the end of the channel
		c.answered(p, confirm.Acked())
	}
	if !c.life.Go(late) {
		late() // the connection is cut
	}
}

// leave returns true if the channel may be closed now. It copies the body, which belongs to the
// caller again when Publish returns, and is still needed to match a return.
func (c *confirmChannel) leave(p *publish) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.message.Body = bytes.Clone(p.message.Body)
	p.abandoned = true
	c.awaited--
	return c.unneeded()
}

// outcome returns the outcome of a publish whose confirm is resolved. acked is false after a nack,
// on a channel that was alive then, or after the end of the channel.
func (c *confirmChannel) outcome(p *publish, acked, alive bool) error {
	switch {
	case p.returned != nil:
		return fmt.Errorf("rabbitmq: publish to %s: %w (%d %s)", p.to, processor.ErrUnroutable, p.returned.ReplyCode, p.returned.ReplyText)
	case p.doubtful:
		return unknownOutcome(p.to, errors.New("the broker returned this message or one that looks the same"))
	case acked:
		return nil
	case !alive:
		return closedOver(p, c.why())
	}
	return fmt.Errorf("rabbitmq: publish to %s: %w", p.to, processor.ErrRefused)
}

// closedOver is the outcome of p when the channel was closed before its answer.
func closedOver(p *publish, why error) error {
	if limit, told := sizeLimit(why); told && len(p.message.Body) > limit {
		return fmt.Errorf("rabbitmq: publish to %s: %w: %w", p.to, tooLarge(len(p.message.Body), limit), why)
	}
	if forbids(why, p.to) {
		why = fmt.Errorf("%w: %w", processor.ErrForbidden, why)
	}
	return unknownOutcome(p.to, why)
}

// note records what the answer to a publish says about later ones.
func (c *confirmChannel) note(p *publish, acked, alive bool) {
	switch {
	case acked && c.apart:
		c.learned.denials.forget(p.to)
		return
	case acked || alive:
		return
	}
	why := c.why()
	if limit, told := sizeLimit(why); told {
		c.learned.bodies.learn(limit)
	}
	if forbids(why, p.to) {
		c.learned.denials.add(p.to, why)
	}
}

// why returns the reason for which the channel was closed.
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

// retire takes no new publishes, and closes the channel when the awaited ones are answered.
func (c *confirmChannel) retire() {
	c.mu.Lock()
	c.retired = true
	unneeded := c.unneeded()
	c.mu.Unlock()
	if unneeded {
		c.close()
	}
}

// doneWith closes a channel for one message once that is answered.
func (c *confirmChannel) doneWith() {
	if c.apart {
		c.retire()
	}
}

// close closes the channel without waiting for the answer.
func (c *confirmChannel) close() {
	c.life.Go(func() { _ = c.channel.Close() })
}

// publishing is e as it is sent on this channel, in the client's terms; its headers have been
// through broker.Prepare. Where urgent copies that wait would hold up the others, a waiting copy is
// sent without its priority, which a header keeps.
func (c *confirmChannel) publishing(ctx context.Context, e processor.Envelope) amqp.Publishing {
	if e.Priority > 0 && republish.IsWaiting(ctx) && version.Of(c.session.ServerProperties()).HoldsUpNormal() {
		e.Priority = 0
	}
	return amqpwire.Publishing(e)
}

// maxInFlight is how many publishes may wait for their confirm on one channel. It also bounds the
// returned messages not yet looked at.
const maxInFlight = 1024
