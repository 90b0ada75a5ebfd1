package retry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/delay"
	"github.com/gowarren/warren/processor"
)

// Topology returns what [New] with the same key pattern and options needs in the broker: the work
// queue, a queue for each key, where copies wait for the delay of [Delays] before they are
// dead-lettered to the work queue, and one for the park key. The queues have the names of their
// keys. With [Exchange] there is also a durable direct exchange, to which they are bound by these
// names.
//
// Retry queues are of the work queue's type; see [QueueType]. Quorum queues dead-letter at least
// once: a message leaves only when the work queue has confirmed it. Classic queues do so at most
// once, and lose it if the broker dies at that moment.
//
// # The delivery limit
//
// A quorum queue limits redeliveries, to 20 by default from RabbitMQ 4.0 on: it dead-letters a
// message over the limit, or drops it without a dead-letter exchange. So a quorum work queue
// without one gets one: after [delay.DeliveryLimit] returns or its own limit, a message goes to the
// queue of the park key, at least once. That is a message that kills its worker each time, so that
// this package never parks it: its headers have no reason but the broker's x-death. What a consumer
// rejects, and what expires by an expiration of its own, is parked there as well. Without a park
// key, or with a TTL or a length, the work queue gets [broker.HighDeliveryLimit], and so do all the
// other queues. A work queue with a dead-letter exchange is not changed.
//
// Other programs that declare the work queue must then take it from the topology, whose first queue
// it is. A work queue without a Type gets nothing of this, although the vhost may make it a quorum
// queue: verify reports that.
//
// The queues of a broker cannot be changed. With %delay% in the pattern a new schedule has new
// names: declare it, and the queues of the old one run empty by themselves. Without, another delay
// for an existing name is [broker.ErrMismatch]; so is another type or [MaxLength] in either case.
// Use another pattern then, such as mail_retry_v2_%attempt%, and remove the old queues when they
// are empty, not before.
//
// [broker.Topology.Owned] is the part of the pattern before its first placeholder, unless the work
// queue or that of the park key begins with it too. No other queue of the vhost should.
//
// With [Return] there is also the exchange through which retries come back, and the binding of the work
// queue to it. With [DeclaredByOthers] there is the work queue alone.
//
// It refuses what New refuses, what it cannot know (no Delays, and keys made by a function), and
// what would lose messages or send them in a circle without end: equal names, a work queue that
// dead-letters into a retry queue or otherwise in a [broker.Loop], one with a low delivery limit
// and no dead-letter target, one that is deleted automatically (AutoDelete, Exclusive, Expires), a
// quorum one behind classic retry queues, and one that has a length and refuses messages when full.
// A retry queue cannot wait for such a queue: a classic one drops the message, and a quorum one
// soon holds up all the others.
func Topology(work broker.Queue, keyPattern string, opts ...Option) (broker.Topology, error) {
	c, err := newConfig(keyPattern, opts)
	if err != nil {
		return broker.Topology{}, err
	}
	return c.topology(work)
}

// Topology returns what the layer needs: see [Topology].
func (r *retry) Topology(work broker.Queue) (broker.Topology, error) { return r.topology(work) }

func (c *config) topology(work broker.Queue) (broker.Topology, error) {
	if err := errors.Join(c.unknown(), c.circle(work)); err != nil {
		return broker.Topology{}, err
	}
	if c.others {
		return broker.Topology{Queues: []broker.Queue{work}}, nil
	}
	t, err := delay.Work{
		Queue: work, Waits: c.places(work), Fragile: c.retries > 0 && c.queueType == broker.Classic,
		Parked: broker.Queue{Name: c.parkKey, Type: c.queueType},
	}.Topology()
	if err != nil {
		return broker.Topology{}, fmt.Errorf("retry: %w", err)
	}
	return t, nil
}

// unknown says what a topology would have to guess.
func (c *config) unknown() error {
	switch {
	case c.retries == 0 || c.others:
		return nil // only the park key is needed, or nothing
	case c.keyFunc != nil:
		return errors.New("retry: the topology cannot know the keys that a function makes (Keys): declare their queues by hand, and set DeclaredByOthers")
	case c.delays == nil:
		return errors.New("retry: nothing says how long the retries wait: set Delays, or DeclaredByOthers if the queues are there without Warren")
	case c.differing() > maxQueues:
		return fmt.Errorf("retry: %d retries would have a queue each, and %d is the most: use %%delay%% without %%attempt%%, and those with the same delay share one", c.differing(), maxQueues)
	}
	return nil
}

// places are what copies are published to: the retry queues, and the exchange with all its
// bindings.
func (c *config) places(work broker.Queue) broker.Topology {
	var t broker.Topology
	var keys []string
	for _, w := range c.waits() {
		t.Queues = append(t.Queues, c.retryQueue(work, w))
		keys = append(keys, w.key)
	}
	if c.parkKey != "" {
		keys = append(keys, c.parkKey)
	}
	if c.exchange != "" {
		t.Exchanges = []broker.Exchange{{Name: c.exchange, Kind: broker.Direct}}
		for _, key := range keys {
			t.Bindings = append(t.Bindings, broker.Binding{Exchange: c.exchange, Queue: key, RoutingKey: key})
		}
	}
	if c.back != nil {
		t = t.Merge(c.back.topology(work.Name))
	}
	// A name begins with "", so a pattern without a beginning owns nothing.
	if own := c.pattern.beginning(); !strings.HasPrefix(work.Name, own) && !strings.HasPrefix(c.parkKey, own) {
		t.Owned = []string{own}
	}
	return t
}

// retryQueue is where a copy waits.
func (c *config) retryQueue(work broker.Queue, w wait) broker.Queue {
	q := broker.Queue{
		Name: w.key, Type: cmp.Or(c.queueType, work.DeclaredType()), MessageTTL: w.delay, MaxLength: c.maxLength,
		DeadLetter: &broker.DeadLetter{RoutingKey: work.Name},
	}
	if c.back != nil {
		q.DeadLetter = &broker.DeadLetter{Exchange: c.back.exchange.Name, RoutingKey: c.back.key}
	}
	if c.maxLength > 0 {
		q.Overflow = broker.RejectPublish
	}
	if q.Type == broker.Quorum {
		// At least once needs both.
		q.Overflow = broker.RejectPublish
		q.Arguments = processor.Headers{"x-dead-letter-strategy": "at-least-once"}
		q.DeliveryLimit = broker.HighDeliveryLimit
	}
	return q
}

// wait is a retry queue, for one retry or several.
type wait struct {
	key   string
	delay time.Duration
}

// waits lists them, in the order of the retries.
func (c *config) waits() []wait {
	var all []wait
	for n := 1; n <= c.differing(); n++ {
		w := wait{c.patternKey(n), c.delay(n)}
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// differing is how many retries may have a key of their own: as many as there are delays, if only
// the delay is in the key.
func (c *config) differing() int {
	if c.pattern.holdsAttempt() {
		return c.retries
	}
	return min(c.retries, len(c.delays))
}
