package publish

import (
	"errors"
	"fmt"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/processor"
)

// outcome returns the outcome of a publish whose confirm is resolved. acked is false after a nack,
// on a channel that was alive then, or after the end of the channel.
func (c *confirmChannel) outcome(p *publish, acked, alive bool) error {
	switch {
	case p.returned != nil:
		return fmt.Errorf("rabbitmq: publish to %s: %w (%d %s)", p.to, processor.ErrUnroutable, p.returned.code, p.returned.text)
	case acked && p.doubtful:
		return unknownOutcome(p.to, errors.New("the broker returned a message without its headers, which may be this one"))
	case acked:
		return nil
	case !alive:
		return closedOver(p, c.why())
	}
	return fmt.Errorf("rabbitmq: publish to %s: %w", p.to, processor.ErrRefused)
}

// closedOver is the outcome of p when the channel was closed before its answer.
func closedOver(p *publish, why error) error {
	if limit, told := reply.SizeLimit(why); told && len(p.message.Body) > limit {
		return fmt.Errorf("rabbitmq: publish to %s: %w: %w", p.to, tooLarge(len(p.message.Body), limit), why)
	}
	if reply.Forbids(why, p.to) {
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
	if limit, told := reply.SizeLimit(why); told {
		c.learned.bodies.learn(limit)
	}
	if reply.Forbids(why, p.to) {
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
