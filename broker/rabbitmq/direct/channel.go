package direct

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/gowarren/warren/failover"
	"github.com/gowarren/warren/processor"
)

// channel sends requests, and learns what becomes of them, in three goroutines: the client's calls
// cannot be cancelled, so one sends; one listens; and the client's own delivers replies.
type channel struct {
	session *failover.Session
	refused *refusals // of the session
	channel *amqp.Channel
	replies <-chan amqp.Delivery
	send    chan *request
	running sync.WaitGroup
	// exchanges that are there, as far as it is known
	exchanges sync.Map
	over      chan struct{} // closed when the channel is
	why       error         // set before that

	mu      sync.Mutex
	waiting map[uint64]*request // by delivery tag
	ids     map[string]*request // the same, by correlation id
}

// request waits for the broker's answer.
type request struct {
	to      processor.Destination
	message amqp.Publishing
	tag     uint64

	answered chan struct{}
	err      error // set before that
	returned *amqp.Return
}

// open opens a channel and subscribes to its replies.
func open(ctx context.Context, session *failover.Session, refused *refusals) (*channel, error) {
	ch, err := session.Channel(ctx)
	if err != nil {
		return nil, err
	}
	c := &channel{
		session: session, refused: refused, channel: ch, send: make(chan *request), over: make(chan struct{}),
		waiting: map[uint64]*request{}, ids: map[string]*request{},
	}
	// Without buffers: the client's reader hands over a return before it reads the confirm that
	// follows, so that listen has seen it by then.
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	returns, confirms := ch.NotifyReturn(make(chan amqp.Return)), ch.NotifyPublish(make(chan amqp.Confirmation))
	c.running.Go(func() { c.listen(returns, confirms, closed) })
	subscribed := make(chan error, 1)
	c.running.Go(func() { subscribed <- c.subscribe() })
	select {
	case err = <-subscribed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		session.CloseChannel(context.WithoutCancel(ctx), ch)
		return nil, err
	}
	c.running.Go(c.sendAll)
	return c, nil
}

// subscribe consumes before the first request, as RabbitMQ demands.
func (c *channel) subscribe() (err error) {
	if c.replies, err = c.channel.Consume(replyTo, "", true, false, false, false, nil); err != nil {
		return err
	}
	return c.channel.Confirm(false)
}

// sendAll sends requests until the channel is over.
func (c *channel) sendAll() {
	for {
		select {
		case r := <-c.send:
			c.register(r)
			if err := c.channel.Publish(r.to.Exchange, r.to.RoutingKey, true, false, r.message); err != nil {
				c.failed(r, err)
			}
		case <-c.over:
			return
		}
	}
}

// register is called by sendAll alone, so that the number is that of the next publish.
func (c *channel) register(r *request) {
	// Not under mu: while the client hands confirms to listen, which takes mu, it holds a lock that this takes.
	r.tag = c.channel.GetNextPublishSeqNo()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting[r.tag], c.ids[r.message.CorrelationId] = r, r
}

// failed answers a request that was not sent, or not as a whole.
func (c *channel) failed(r *request, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[r.tag] == r {
		r.err = fmt.Errorf("%w: %w", processor.ErrIndeterminate, err)
		c.done(r)
	}
}

// listen answers requests until the channel is over.
func (c *channel) listen(returns <-chan amqp.Return, confirms <-chan amqp.Confirmation, closed <-chan *amqp.Error) {
	for returns != nil || confirms != nil {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			c.note(&r)
		case confirm, ok := <-confirms:
			if !ok {
				confirms = nil
				continue
			}
			c.answer(confirm)
		}
	}
	c.end(<-closed)
}

// note remembers that a request was returned; its confirm follows.
func (c *channel) note(r *amqp.Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asked := c.ids[r.CorrelationId]; asked != nil {
		asked.returned = r
	}
}

func (c *channel) answer(confirm amqp.Confirmation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.waiting[confirm.DeliveryTag]
	if r == nil {
		return
	}
	switch {
	case r.returned != nil:
		r.err = fmt.Errorf("%w: %d %s", processor.ErrUnroutable, r.returned.ReplyCode, r.returned.ReplyText)
	case !confirm.Ack:
		r.err = processor.ErrRefused
	}
	c.done(r)
}

// done ends the wait for a request. The caller holds mu.
func (c *channel) done(r *request) {
	delete(c.waiting, r.tag)
	delete(c.ids, r.message.CorrelationId)
	close(r.answered)
}

// end says why the channel is over, to all that wait. The reason is nil after our own close.
func (c *channel) end(reason *amqp.Error) {
	c.why = failover.ErrClosed
	if reason != nil {
		c.why = reason
	} else if err := c.session.Err(); err != nil {
		c.why = err
	}
	close(c.over)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.waiting {
		if r.err = c.refused.learn(c.why, r.to, len(r.message.Body)); r.err == nil {
			r.err = fmt.Errorf("%w: %w", processor.ErrIndeterminate, c.why)
		}
		c.done(r)
	}
}

// close closes the channel and waits for its goroutines.
func (c *channel) close(ctx context.Context) error {
	c.session.CloseChannel(ctx, c.channel)
	ended := make(chan struct{})
	go func() { defer close(ended); c.running.Wait() }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
