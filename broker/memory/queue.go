package memory

import (
	"container/heap"
	"time"

	"github.com/gowarren/warren/broker"
)

// queue holds messages until its subscriptions take them.
//
// Between two calls these hold: no message is ready while a subscription has room, the
// head has not expired, and no more messages are ready than the queue may hold.
type queue struct {
	name string
	identity
	broker *Broker

	// Ready messages: first the requeued ones, then those never delivered.
	returned returned
	fresh    backlog
	bytes    int64
	arrivals uint64

	delayed delayed // failed, and not ready before their time
	held    int     // dead messages that no target has taken

	subscriptions int             // that are neither paused nor closed
	hungry        []*subscription // with room: by priority, then the longest wait first
	exclusive     bool            // one of them is alone

	head      alarm // rings when the head expires
	next      alarm // rings when the first of those delayed is due
	lease     alarm // rings when the queue has been unused for too long
	expired   bool  // deleted, but messages of it may still be in flight
	lastRound uint64
}

func (q *queue) open(b *Broker) {
	q.broker = b
	q.fresh = b.model.newBacklog(q.kind)
	q.head = alarm{broker: b, ring: q.balance}
	q.next = alarm{broker: b, ring: q.balance}
	q.lease = alarm{broker: b, ring: q.expire}
	q.renewLease()
}

func (q *queue) len() int { return len(q.returned) + q.fresh.len() }

// put takes m in. It returns false if the queue is full and refuses.
func (q *queue) put(m *message) bool {
	if q.overflow != broker.DropHead && q.over(1, int64(len(m.envelope.Body))) {
		if q.overflow == rejectPublishDeadLetter {
			q.bury(q.enter(m), maxlen)
		}
		return false
	}
	e := q.enter(m)
	if s := q.nextHungry(); s != nil {
		q.fresh.pass()
		s.take(e) // at once, so that even a TTL of 0 reaches a waiting consumer
		q.feed(s)
		return true
	}
	q.fresh.pushBack(e)
	q.bytes += int64(e.size())
	q.balance()
	return true
}

func (q *queue) enter(m *message) *entry {
	e := &entry{message: m, order: q.nextOrder(), expires: q.expiry(m)}
	if q.broker.model.died == withAll {
		e.attempts = m.failures
	}
	return e
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

// giveBack puts an entry where it was before its delivery; see [model]. The caller
// balances the queue afterwards.
func (q *queue) giveBack(e *entry) {
	if q.expired || !q.broker.model.returnsToTail || q.kind != broker.Quorum || q.deliveryLimit != none {
		q.restore(e)
		return
	}
	e.returns++
	q.bytes += int64(e.size())
	e.order = q.nextOrder()
	q.fresh.pushBack(e)
}

// restore puts an entry before those never delivered. A quorum queue puts it behind those
// requeued earlier. The caller balances the queue afterwards.
func (q *queue) restore(e *entry) {
	if q.expired {
		q.broker.drop(q, e.message, "", "the queue expired")
		return
	}
	e.returns++
	q.bytes += int64(e.size())
	if q.kind == broker.Quorum {
		e.order = q.nextOrder()
	}
	heap.Push(&q.returned, e)
}

// retry gives back an entry whose delivery failed.
func (q *queue) retry(e *entry) {
	switch dead := q.fail(e); {
	case dead:
	case q.delaysRetries() && !q.expired:
		q.delay(e)
	default:
		q.giveBack(e)
	}
}

// release requeues an entry that was not processed.
func (q *queue) release(e *entry) {
	if q.broker.model.releaseCounts && q.fail(e) {
		return
	}
	q.giveBack(e)
}

// abandon is release for an entry that was unsettled when its subscription was closed.
func (q *queue) abandon(e *entry) {
	if q.broker.model.releaseCounts && q.fail(e) {
		return
	}
	q.restore(e)
}

// fail counts a failed delivery. It returns true if the message has died of it.
func (q *queue) fail(e *entry) bool {
	e.attempts++
	limit := q.broker.model.limit(q.identity)
	if limit == none || e.attempts <= limit {
		return false
	}
	q.bury(e, deliveryLimit)
	return true
}

func (q *queue) reject(e *entry) {
	e.attempts++
	q.bury(e, rejected)
}

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
			q.bury(q.pop(), expired)
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
		q.bury(q.pop(), maxlen)
	}
	if e := q.first(); e != nil {
		q.head.set(e.expires)
	} else {
		q.head.set(time.Time{})
	}
}

// over reports whether that many more messages and bytes exceed a limit.
func (q *queue) over(messages int, bytes int64) bool {
	return q.maxLength != none && int64(q.len()+len(q.delayed)+q.held+messages) > q.maxLength ||
		q.maxBytes != none && q.bytes+bytes > q.maxBytes
}
