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
// A return has no delivery tag, but the headers of its message, and one of these is a tag of ours.
//
// The client puts a return into the channel `returns` before it resolves the confirm of the same
// publish. A goroutine that sees its confirm therefore finds its return in `returns`, or has it in
// `returned`, where whichever goroutine drained `returns` put it: draining and storing happen
// under one lock, which every goroutine takes after its confirm. If a goroutine received from
// `returns` and only then took the lock, a publish would look routed in between.
//
// The channel `returns` cannot fill up and stall the client: it has room for as many returns as
// there are places, and a place is given up only after `returns` was drained.
type confirmChannel struct {
	life    *life.Life
	session *failover.Session
	channel *amqp.Channel
	learned *learned // of the session, shared by its channels
	replies *Replies // nil if it sends no requests
	apart   bool     // for one message only
	opened  time.Time
	returns chan amqp.Return
	closed  chan *amqp.Error
	places  *places
	left    chan struct{}  // closed when it takes no new publish
	stuck   chan struct{}  // closed when the broker answers nothing on it
	audit   func()         // looks for overdue publishes
	writing sync.WaitGroup // what is being written on it, once it may be

	exchanges lookUps[string] // whether an exchange exists

	mu       sync.Mutex
	waiting  map[uint64]*publish // by tag
	asking   map[string]bool     // correlation ids of those that wait for a reply; nil when none can come
	latest   uint64              // tag
	doubt    uint64              // publishes up to that tag may have been returned
	awaited  int                 // publishes that wait, for confirm or reply, and are not abandoned
	retired  bool                // takes no new publish; closed when none is awaited
	parting  bool                // being closed, or closed
	watching bool                // for overdue publishes, by timer
	blocked  time.Time           // when the broker was last seen to block
	pinged   bool                // a ping is not answered yet
	timer    *time.Timer
	cause    error // why it was closed; set when first asked for
}

// publish is one message that waits for its confirm. It is guarded by the channel's mutex
// until it is answered.
type publish struct {
	to       processor.Destination
	message  amqp.Publishing
	tag      uint64 // 0 on a channel for one message
	sent     time.Time
	returned *unrouted
	doubtful bool   // a return may belong to this publish or to another
	unusual  hazard // what the broker may crash over

	overdue   bool // it has waited for so long that its destination is silent
	abandoned bool // its caller has stopped waiting
}

// adopt makes a channel that has just been opened the publisher's.
func (p *Publisher) adopt(session *failover.Session, ch *amqp.Channel) *confirmChannel {
	c := newChannel()
	c.life, c.session, c.channel, c.replies = p.broker.Life, session, ch, p.replies
	c.audit = func() { p.audit(c) }
	c.exchanges.life, c.exchanges.question = p.broker.Life, p.broker.look
	c.returns = ch.NotifyReturn(make(chan amqp.Return, maxInFlight))
	c.closed = ch.NotifyClose(make(chan *amqp.Error, 1))
	return c
}

// newChannel is a confirmChannel before it has its channel.
func newChannel() *confirmChannel {
	return &confirmChannel{
		opened:  time.Now(),
		places:  newPlaces(),
		left:    make(chan struct{}),
		stuck:   make(chan struct{}),
		waiting: map[uint64]*publish{},
		asking:  map[string]bool{},
	}
}

// start makes the channel ready for the first message.
func (c *confirmChannel) start() error {
	if c.replies == nil {
		return c.channel.Confirm(false)
	}
	replies, err := c.channel.Consume(DirectReply, "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	if err := c.channel.Confirm(false); err != nil {
		return err
	}
	// Last: at the end of the life it closes the channel.
	if !c.life.Go(func() { c.receive(replies) }) {
		c.session.CloseChannel(c.life.Context(), c.channel)
		return life.ErrClosed
	}
	return nil
}

// usable reports whether new publishes may use the channel.
func (c *confirmChannel) usable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// The channel learns of the end of its session a moment after the session.
	return !c.retired && !c.channel.IsClosed() && c.session.Err() == nil
}

// takes returns why the broker would close the channel, or its connection, over e, which has been
// through broker.Prepare.
func (c *confirmChannel) takes(to processor.Destination, e processor.Envelope) error {
	if e.ReplyTo == DirectReply && c.replies == nil {
		return fmt.Errorf("%w: reply-to %q is for a channel that consumes from it, and this one does not: name a queue", processor.ErrForbidden, DirectReply)
	}
	if err := checkReply(to); err != nil {
		return err
	}
	if user := c.session.User(); e.UserID != "" && user != "" && e.UserID != user {
		return fmt.Errorf("%w: the user id must be that of the connection, or empty", processor.ErrForbidden)
	}
	return broker.FitsFrame(e, c.session.FrameSize())
}

// send writes the message and returns what to wait for. It returns errNotSent if the channel was
// gone before anything was written.
//
// ctx does not end the write. If the peer reads no more, the heartbeats notice and end it.
func (c *confirmChannel) send(ctx context.Context, p *publish) (*amqp.DeferredConfirmation, error) {
	if err := c.places.take(ctx, p.to, c.session.Done(), c.left); err != nil {
		return nil, err
	}
	if !c.register(p) {
		c.places.giveUp(p.to)
		return nil, errNotSent
	}
	defer c.writing.Done()
	p.tagged()
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
	if !c.apart {
		c.latest++
		p.tag = c.latest
	}
	p.sent = time.Now()
	c.waiting[p.tag] = p
	c.writing.Add(1)
	c.awaited++
	c.watch()
	return true
}

// answered is called once for each registered publish, when its confirm has come or never will. It
// looks at the returns first: see the type's comment.
func (c *confirmChannel) answered(p *publish) {
	c.mu.Lock()
	c.takeReturns()
	delete(c.waiting, p.tag)
	p.doubtful = p.tag <= c.doubt && !c.apart
	if !p.abandoned {
		c.awaited--
	}
	unneeded := c.unneeded()
	c.mu.Unlock()
	c.places.giveUp(p.to)
	if unneeded {
		c.close()
	}
}

// abandon leaves a publish, to be answered in the background.
func (c *confirmChannel) abandon(p *publish, confirm *amqp.DeferredConfirmation, heard func()) {
	if c.leave(p) {
		c.close()
	}
	late := func() {
		<-confirm.Done() // the answer, or the end of the channel
		if confirm.Acked() || !c.channel.IsClosed() {
			heard()
		}
		c.answered(p)
	}
	if !c.life.Go(late) {
		go late() // nobody waits for it, and it ends with the connection at the latest
	}
}

// leave returns true if the channel may be closed now.
func (c *confirmChannel) leave(p *publish) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.message = amqp.Publishing{} // its body belongs to the caller again when Publish returns
	p.abandoned = true
	c.awaited--
	return c.unneeded()
}

// publishing is e as it is sent on this channel, in the client's terms; its headers have been
// through broker.Prepare. Where urgent copies that wait would hold up the others, a waiting copy is
// sent without its priority, which a header keeps.
func (c *confirmChannel) publishing(ctx context.Context, e processor.Envelope) amqp.Publishing {
	if e.Priority > 0 && republish.IsWaiting(ctx) && version.Of(c.session.ServerProperties()).HoldsUpNormal() {
		e.Priority = 0
	}
	p := amqpwire.Publishing(e)
	if e.PriorityZero && e.Priority == 0 {
		if p.Headers == nil {
			p.Headers = amqp.Table{}
		}
		p.Headers[amqpwire.HeaderPriority0] = nil // package failover makes it the property
	}
	return p
}
