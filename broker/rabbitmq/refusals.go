package rabbitmq

import "time"

// refused replaces a channel on which the broker has nacked: after a quorum queue has
// moved to another node, a channel can go on nacking for ever. A queue that is full
// nacks as well, on any channel, so the channel is not replaced at each nack.
func (p *publisher) refused(c *confirmChannel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current == c && p.opening == nil && p.refusals.due(time.Now()) {
		p.open()
	}
}

// refusals paces the replacement of channels.
type refusals struct {
	last     time.Time     // nack
	replaced time.Time     // channel
	interval time.Duration // until the next replacement
}

// Replacements are at least this far apart, doubling while nacks go on.
const (
	firstInterval = 100 * time.Millisecond
	lastInterval  = 5 * time.Second
	quietAfter    = 30 * time.Second
)

// due reports whether a nack at that time is to replace the channel.
func (r *refusals) due(now time.Time) bool {
	if now.Sub(r.last) > quietAfter {
		r.interval = 0
	}
	r.last = now
	if now.Sub(r.replaced) < r.interval {
		return false
	}
	r.replaced = now
	r.interval = min(max(2*r.interval, firstInterval), lastInterval)
	return true
}
