package memory

import (
	"container/heap"
	"time"

	"github.com/gowarren/warren/broker"
)

// queue holds messages until its subscriptions take them.
//
// Between two calls these hold: nothing is ready while a subscription has room, what
// is at the head has not expired, and no more is ready than the queue may hold.
type queue struct {
	name string
	identity
	broker *Broker

	// Ready messages: first those that came back, then those never handed out.
	returned returned
	fresh    deque[*entry]
	bytes    int64
	arrivals uint64

	delayed delayed // failed, and not ready before their time
	held    int     // messages that have died, and that nobody takes

	subscriptions int                  // that have not stopped
	hungry        deque[*subscription] // those with room, who has waited longest first

	head      alarm // rings when the head expires
	next      alarm // rings when the first of those delayed is due
	lease     alarm // rings when the queue has been unused for too long
	expired   bool  // it is no more, but messages of it may still be in hand
	lastRound uint64
}

func (q *queue) open(b *Broker) {
	q.broker = b
	q.head = alarm{broker: b, ring: q.balance}
	q.next = alarm{broker: b, ring: q.balance}
	q.lease = alarm{broker: b, ring: q.expire}
	q.renewLease()
}

// counts reports whether consumers are told of failed deliveries.
func (q *queue) counts() bool { return q.kind == broker.Quorum }

func (q *queue) len() int { return len(q.returned) + q.fresh.len() }

// put takes m in. It returns false if the queue is full and refuses.
func (q *queue) put(m *message) bool {
	if q.overflow != broker.DropHead && q.over(1, int64(len(m.envelope.Body))) {
		if q.overflow == rejectPublishDeadLetter {
			q.bury(m, maxlen)
		}
		return false
	}
	e := &entry{message: m, order: q.nextOrder(), expires: q.expiry(m)}
	if s := q.nextHungry(); s != nil {
		s.take(e) // at once, so that even a TTL of 0 reaches a consumer who waits
		q.feed(s)
		return true
	}
	q.fresh.pushBack(e)
	q.bytes += int64(e.size())
	q.balance()
	return true
}

func (q *queue) nextOrder() uint64 {
	q.arrivals++
	return q.arrivals
}

// expiry is the sooner of the queue's TTL and the message's own expiration.
func (q *queue) expiry(m *message) time.Time {
	own := m.envelope.Expiration
	switch {
	case q.ttl == none && own == 0:
		return time.Time{}
	case q.ttl == none:
		return time.Now().Add(own)
	case own == 0:
		return time.Now().Add(millis(q.ttl))
	}
	return time.Now().Add(min(own, millis(q.ttl)))
}

// giveBack puts an entry where it was before it was handed out; see [model]. The caller
// balances the queue afterwards.
func (q *queue) giveBack(e *entry) {
	if q.expired || !q.broker.model.returnsToTail || q.kind != broker.Quorum || q.deliveryLimit != none {
		q.restore(e)
		return
	}
	e.redelivered = true
	q.bytes += int64(e.size())
	e.order = q.nextOrder()
	q.fresh.pushBack(e)
}

// restore gives back an entry that was unsettled when its subscription was closed. A quorum
// queue puts it behind what came back before it, with or without a delivery limit. The
// caller balances the queue afterwards.
func (q *queue) restore(e *entry) {
	if q.expired {
		q.broker.drop(q, e.message, "", "the queue expired")
		return
	}
	e.redelivered = true
	q.bytes += int64(e.size())
	if q.kind == broker.Quorum {
		e.order = q.nextOrder()
	}
	heap.Push(&q.returned, e)
}

// retry gives back an entry whose delivery failed.
func (q *queue) retry(e *entry) {
	e.attempts++
	if q.deliveryLimit != none && e.attempts > q.deliveryLimit {
		q.bury(e.message, deliveryLimit)
		return
	}
	if q.delaysRetries() && !q.expired {
		q.delay(e)
		return
	}
	q.giveBack(e)
}

func (q *queue) reject(e *entry) { q.bury(e.message, rejected) }

func (q *queue) first() *entry {
	switch {
	case len(q.returned) > 0:
		return q.returned[0]
	case q.fresh.len() > 0:
		return q.fresh.front()
	}
	return nil
}

func (q *queue) pop() *entry {
	var e *entry
	if len(q.returned) > 0 {
		e, _ = heap.Pop(&q.returned).(*entry)
	} else {
		e = q.fresh.popFront()
	}
	q.bytes -= int64(e.size())
	return e
}

// balance makes the queue's invariants true again.
func (q *queue) balance() {
	q.resume()
	for e := q.first(); e != nil; e = q.first() {
		if e.expired() {
			q.bury(q.pop().message, expired)
			continue
		}
		s := q.nextHungry()
		if s == nil {
			break
		}
		s.take(q.pop())
		q.feed(s)
	}
	for q.len() > 0 && q.over(0, 0) {
		q.bury(q.pop().message, maxlen)
	}
	if e := q.first(); e != nil {
		q.head.set(e.expires)
	} else {
		q.head.set(time.Time{})
	}
}

// over reports whether that many more messages and bytes are too much.
func (q *queue) over(messages int, bytes int64) bool {
	return q.maxLength != none && int64(q.len()+len(q.delayed)+q.held+messages) > q.maxLength ||
		q.maxBytes != none && q.bytes+bytes > q.maxBytes
}
