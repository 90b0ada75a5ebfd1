package publish

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/reply"
	"github.com/gowarren/warren/processor"
)

// maxNamed is how many silent destinations are named: each key of a topic exchange is one.
const maxNamed = 10

// Health names the destinations that have answered nothing for a second while a publish waits.
func (p *Publisher) Health() error {
	silent := p.silences.list()
	var err error
	for _, to := range silent[:min(len(silent), maxNamed)] {
		err = errors.Join(err, fmt.Errorf("rabbitmq: health: publishing to %s: %w", to, reply.ErrQueueDown))
	}
	if more := len(silent) - maxNamed; more > 0 {
		err = errors.Join(err, fmt.Errorf("rabbitmq: health: and to %d more", more))
	}
	return err
}

// watch looks for overdue publishes while any wait. The caller holds mu.
func (c *confirmChannel) watch() {
	switch {
	case c.watching || c.audit == nil: // nil in tests
	case c.timer == nil:
		c.watching, c.timer = true, time.AfterFunc(lookEvery, c.audit)
	default:
		c.watching = true
		c.timer.Reset(lookEvery)
	}
}

// overdue returns the destinations of publishes that have become overdue, with the time at which
// each was sent, and how many are overdue in all. Where others to the same destination are answered,
// it is not silent but slow. While the broker blocks none is overdue, and each has its time after that.
func (c *confirmChannel) overdue(blocked bool) (fresh map[processor.Destination]time.Time, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watching = false
	if len(c.waiting) > 0 {
		c.watch()
	}
	if blocked {
		c.blocked = time.Now()
	}
	for _, p := range c.waiting {
		if time.Since(p.sent) < silentAfter || time.Since(c.blocked) < silentAfter || !c.places.quiet(p.to, time.Now().Add(-silentAfter)) {
			continue
		}
		all++
		if p.overdue {
			continue
		}
		p.overdue = true
		if fresh == nil {
			fresh = map[processor.Destination]time.Time{}
		}
		if since, there := fresh[p.to]; !there || p.sent.Before(since) {
			fresh[p.to] = p.sent
		}
	}
	return fresh, all
}

// audit notes which destinations are silent on a channel, and whether all of the channel is.
func (p *Publisher) audit(c *confirmChannel) {
	_, blocked := c.session.Blocked()
	fresh, all := c.overdue(blocked)
	for to, since := range fresh {
		if p.silences.add(to, since) {
			p.broker.Life.Log.Warn("publishes are not answered; until one is, no others are sent there",
				slog.String("to", to.String()), slog.Duration("for", time.Since(since)))
		}
	}
	if all > 0 && c.ping() && !p.broker.Life.Go(func() { p.listen(c, all) }) {
		c.pingOver()
	}
}

// How long a channel has for an answer that needs no queue, before another is opened, and then once
// that is open. A broker that is busy may take some time over it.
const (
	pingTime  = 250 * time.Millisecond
	stuckTime = time.Second
)

// errStuck is why the outcomes of a channel are unknown on which nothing is answered.
var errStuck = errors.New("the broker answers nothing on this channel")

// ping returns false if a ping is under way, or the channel is for one message, known to be stuck, or
// being closed: nothing may be sent on it after that.
func (c *confirmChannel) ping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pinged || c.apart || c.parting || isClosed(c.stuck) {
		return false
	}
	c.pinged = true
	c.writing.Add(1)
	return true
}

// pingOver notes that a ping is answered, or was not sent.
func (c *confirmChannel) pingOver() {
	c.mu.Lock()
	c.pinged = false
	unneeded := c.unneeded()
	c.mu.Unlock()
	c.writing.Done()
	if unneeded {
		c.close()
	}
}

// listen asks on the channel for what it has, confirms. If there is no answer, some queue has stopped
// the whole channel, and there may be none for as long as that hangs: another channel takes its
// place, and the outcomes of its publishes are unknown. That they are not merely late shows when the
// other channel, which was asked for later, is open.
//
// If there is an answer, and many publishes are overdue, the channel is replaced before RabbitMQ stops
// it.
func (p *Publisher) listen(c *confirmChannel, overdue int) {
	answered := make(chan struct{})
	asked := p.broker.Life.Go(func() {
		defer close(answered)
		_ = c.channel.Confirm(false)
		c.pingOver()
	})
	if !asked {
		c.pingOver()
		return
	}
	if within(pingTime, answered) {
		if overdue >= maxOverdue {
			p.replace(c)
		}
		return
	}
	if o := p.replace(c); o != nil {
		select {
		case <-o.done:
			if o.err != nil {
				return // c stays the current one
			}
		case <-answered:
		}
	}
	if within(stuckTime, answered) || c.session.Err() != nil {
		return
	}
	if c.giveUp() {
		p.broker.Life.Log.Warn("publishing channel replaced: the broker answers nothing on it")
	}
}

// giveUp makes the outcomes of the publishes that wait unknown. It returns false if they are already.
func (c *confirmChannel) giveUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if isClosed(c.stuck) {
		return false
	}
	close(c.stuck)
	return true
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// replace opens another channel if c is the current one.
func (p *Publisher) replace(c *confirmChannel) *opening {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != c {
		return nil
	}
	if p.opening == nil {
		p.open()
	}
	return p.opening
}

// within reports whether c is closed within d.
func within(d time.Duration, c <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}
