package publish

import "context"

// retire takes no new publishes, and closes the channel when the awaited ones are answered.
func (c *confirmChannel) retire() {
	c.mu.Lock()
	c.refuse()
	unneeded := c.unneeded()
	c.mu.Unlock()
	if unneeded {
		c.close()
	}
}

// refuse takes no new publishes. The caller holds mu.
func (c *confirmChannel) refuse() {
	if !c.retired {
		c.retired = true
		close(c.left)
	}
}

// finish closes the channel at the end of the life, whatever is still awaited. RabbitMQ ends the connection over
// a channel.close between the frames of a message, and over a message after it: so it waits for what is being
// written, and takes nothing more.
func (c *confirmChannel) finish() {
	c.mu.Lock()
	c.refuse()
	c.parting = true
	c.mu.Unlock()
	c.writing.Wait()
	c.session.CloseChannel(context.Background(), c.channel)
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

// unneeded reports, once, that the channel may be closed. A ping keeps it open: RabbitMQ ends the connection
// over what comes after the close. Abandoned publishes do not: they may never be answered, and while one
// queue answers nothing another may nack, and cause one channel after the other to be replaced. The
// caller holds mu.
func (c *confirmChannel) unneeded() bool {
	if !c.retired || c.awaited > 0 || c.pinged || c.parting {
		return false
	}
	c.parting = true
	return true
}
