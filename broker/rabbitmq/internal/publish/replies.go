package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Replies are called with what becomes of the direct replies to a publisher's messages: for one
// channel by one goroutine, and for several at once.
type Replies struct {
	Came func(*amqp.Delivery)
	// Lost is called with the correlation ids of messages that the broker has, and whose replies cannot
	// come any more.
	Lost func(ids []string, why error)
}

// NewAsking returns a publisher whose messages may have the reply-to [DirectReply]. RabbitMQ hands
// a reply to the channel that has sent the request. So each channel consumes replies from the first,
// and is kept, after another has taken its place, until the contexts of its publishes have
// ended: the context of a publish is to last as long as its reply is waited for.
func NewAsking(b Broker, r Replies) *Publisher {
	p := New(b)
	p.replies = &r
	return p
}

// receive hands over replies until the channel is closed. It closes it at the end of the life.
func (c *confirmChannel) receive(replies <-chan amqp.Delivery) {
	for {
		select {
		case reply, ok := <-replies:
			if !ok {
				c.noReplies()
				return
			}
			c.replies.Came(&reply)
		case <-c.life.Context().Done():
			c.finish()
			return
		}
	}
}

// noReplies ends the waits for replies. Without its consumer the channel must send no request: the broker would
// close it.
func (c *confirmChannel) noReplies() {
	c.mu.Lock()
	lost := c.asking
	c.asking = nil
	c.mu.Unlock()
	c.retire() // the waits end with their replies
	if len(lost) > 0 {
		c.replies.Lost(slices.Collect(maps.Keys(lost)), c.why())
	}
}

// hold keeps the channel open until ctx ends, for the reply to p, which the broker has. It returns
// an error if no reply can come any more: nobody else says so.
func (c *confirmChannel) hold(ctx context.Context, p *publish) error {
	if c.replies == nil {
		return nil
	}
	c.mu.Lock()
	if c.asking == nil {
		c.mu.Unlock()
		return unknownOutcome(p.to, fmt.Errorf("its reply cannot come: %w", c.why()))
	}
	defer c.mu.Unlock()
	id := p.message.CorrelationId
	c.asking[id] = true
	c.awaited++
	context.AfterFunc(ctx, func() { c.release(id) })
	return nil
}

// release ends what hold began.
func (c *confirmChannel) release(id string) {
	c.mu.Lock()
	delete(c.asking, id)
	c.awaited--
	unneeded := c.unneeded()
	c.mu.Unlock()
	if unneeded {
		c.close()
	}
}
