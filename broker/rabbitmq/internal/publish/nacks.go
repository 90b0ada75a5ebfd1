package publish

import (
	"time"

	"github.com/gowarren/warren/broker/rabbitmq/internal/life"
)

// refused replaces a channel on which the broker has nacked: after a quorum queue has moved to
// another node, a channel can go on nacking without end. A full queue nacks as well, on any
// channel, so the channel is not replaced at each nack. But after each nack it is replaced sooner
// or later, so a later publish finds another one.
func (p *Publisher) refused(c *confirmChannel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != c || p.opening != nil {
		return
	}
	wait := p.refusals.due(time.Now())
	if wait == 0 {
		p.open()
		return
	}
	p.refusals.nacked = c
	if p.refusals.waiting {
		return
	}
	p.refusals.waiting = p.broker.Life.Go(func() {
		life.Sleep(p.broker.Life.Context(), wait)
		p.mu.Lock()
		p.refusals.waiting = false
		c := p.refusals.nacked // may be a later channel
		p.mu.Unlock()
		p.refused(c)
	})
}

// refusals paces the replacement of channels.
type refusals struct {
	last     time.Time     // nack
	replaced time.Time     // channel
	interval time.Duration // until the next replacement
	waiting  bool          // for that, to replace
	nacked   *confirmChannel
}

// Replacements are at least this far apart, doubling while nacks go on. Nacks are over after a time
// so long that a publisher that retries would have been nacked again: the next leader to die is a
// new incident, and its replacement is not delayed.
const (
	firstInterval = 100 * time.Millisecond
	lastInterval  = 5 * time.Second
	quietAfter    = 2 * lastInterval
)

// due returns how long after a nack at that time to wait before the channel is replaced. When it
// returns 0 it counts the channel as replaced.
func (r *refusals) due(now time.Time) time.Duration {
	if now.Sub(r.last) > quietAfter {
		r.interval = 0
	}
	r.last = now
	if wait := r.replaced.Add(r.interval).Sub(now); wait > 0 {
		return wait
	}
	r.replaced = now
	r.interval = min(max(2*r.interval, firstInterval), lastInterval)
	return 0
}
