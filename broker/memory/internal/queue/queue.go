// Package queue has one queue of the broker: what is ready, in which order, for whom, and until when.
package queue

import (
	"container/heap"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/alarm"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/settings"
	"github.com/gowarren/warren/broker/memory/internal/version"
)

// Queue holds messages until its consumers take them. The broker's lock guards it.
//
// Between two calls these hold: no message is ready while a consumer has room, the
// head has not expired, and no more messages are ready than the queue may hold.
type Queue struct {
	Name     string
	Settings settings.Queue
	Kept     int  // dead messages that no target has taken; the broker counts them
	Expired  bool // deleted, but messages of it may still be in flight

	host  Host
	model *version.Model

	ready    ready
	delayed  delayed // failed, and not ready before their time
	bytes    int64
	arrivals uint64

	consumers int    // that are neither paused nor closed
	hungry    hungry // those with room
	exclusive bool   // one of them is alone

	head  *alarm.Alarm // rings when the head expires
	next  *alarm.Alarm // rings when the first of those delayed is due
	lease *alarm.Alarm // rings when the queue has been unused for too long
	round uint64       // of routing
}

// Host is the broker of a queue, under its lock.
type Host interface {
	// Bury takes a message that has died in the queue. It must not forward it before the queue's method
	// has returned: the route may lead back to the queue.
	Bury(q *Queue, m *message.Message, d message.Death)
	// Drop hears of a message that is gone.
	Drop(queue string, m *message.Message, reason, why string)
	// Remove forgets the queue.
	Remove(q *Queue)
}

// New returns a queue that is empty.
func New(name string, s settings.Queue, host Host, model *version.Model, clock *alarm.Clock) *Queue {
	q := &Queue{Name: name, Settings: s, host: host, model: model, ready: newReady(version.One)}
	if s.Type == broker.Quorum {
		q.ready = newReady(model.Priorities)
	}
	q.head = clock.Alarm(q.Balance)
	q.next = clock.Alarm(q.Balance)
	q.lease = clock.Alarm(q.expire)
	q.RenewLease()
	return q
}

// Ready returns how many messages wait to be delivered.
func (q *Queue) Ready() int {
	q.Balance() // the alarm of a message that has just expired may not have rung yet
	return q.ready.len()
}

// FirstIn reports whether it is asked for the first time in this round of routing.
func (q *Queue) FirstIn(round uint64) bool {
	first := q.round != round
	q.round = round
	return first
}

// Put takes m in. It returns false if the queue is full and refuses.
func (q *Queue) Put(m *message.Message) bool {
	if !q.Room(m.Size()) {
		if q.Settings.Overflow == settings.RejectPublishDeadLetter {
			q.bury(q.enter(m), message.MaxLen)
		}
		return false
	}
	e := q.enter(m)
	if c := q.hungry.next(); c != nil {
		q.ready.pass()
		c.Take(e) // at once, so that even a TTL of 0 reaches a waiting consumer
		q.hungry.feed(c)
		return true
	}
	q.ready.pushBack(e)
	q.bytes += e.Size()
	q.Balance()
	return true
}

// Room reports whether Put takes a message of that size.
func (q *Queue) Room(size int64) bool {
	return q.Settings.Overflow == broker.DropHead || !q.over(1, size)
}

func (q *Queue) enter(m *message.Message) *Entry {
	e := &Entry{Message: m, order: q.nextOrder(), expires: q.expiry(m)}
	if q.model.Died == version.WithAll {
		e.attempts = m.Failures
	}
	return e
}

func (q *Queue) nextOrder() uint64 {
	q.arrivals++
	return q.arrivals
}

// expiry is the sooner of the queue's TTL and the message's own expiration.
func (q *Queue) expiry(m *message.Message) time.Time {
	wait, ttl := m.Envelope.Expiration, q.Settings.TTL
	switch {
	case ttl != settings.None && (wait == 0 || millis(ttl) < wait):
		wait = millis(ttl)
	case wait == 0:
		return time.Time{}
	}
	return time.Now().Add(wait)
}

// restore puts an entry before those never delivered. A quorum queue puts it behind those
// requeued earlier. The caller balances the queue afterwards.
func (q *Queue) restore(e *Entry) {
	if q.Expired {
		q.host.Drop(q.Name, e.Message, "", "the queue expired")
		return
	}
	e.returns++
	q.bytes += e.Size()
	if q.Settings.Type == broker.Quorum {
		e.order = q.nextOrder()
	}
	heap.Push(&q.ready.returned, e)
}

func (q *Queue) pop() *Entry {
	e := q.ready.pop()
	q.bytes -= e.Size()
	return e
}

// bury records a death.
func (q *Queue) bury(e *Entry, reason string) {
	d := message.Death{Queue: q.Name, Reason: reason}
	switch q.model.Died {
	case version.WithAll:
		d.Failures = e.attempts
	case version.WithRejections:
		d.Failures = e.Failures
		if reason == message.Rejected && q.Settings.Type == broker.Quorum {
			d.Failures++
		}
	case version.Nothing:
	}
	q.host.Bury(q, e.Message, d)
}

// Balance makes the queue's invariants true again.
func (q *Queue) Balance() {
	q.resume()
	for e := q.ready.first(); e != nil; e = q.ready.first() {
		if e.expired() {
			q.bury(q.pop(), message.Expired)
			continue
		}
		c := q.hungry.next()
		if c == nil {
			break
		}
		c.Take(q.pop())
		q.hungry.feed(c)
	}
	for q.ready.len() > 0 && q.over(0, 0) {
		q.bury(q.pop(), message.MaxLen)
	}
	var end time.Time
	if e := q.ready.first(); e != nil {
		end = e.expires
	}
	q.head.Set(end)
}

// resume gives back the entries that have waited long enough after a failure.
func (q *Queue) resume() {
	var due time.Time
	for q.delayed.Len() > 0 {
		e := q.delayed.returned[0]
		if time.Now().Before(e.due) {
			due = e.due
			break
		}
		heap.Pop(&q.delayed)
		q.bytes -= e.Size()
		q.restore(e)
	}
	q.next.Set(due)
}

// over reports whether that many more messages and bytes exceed a limit.
func (q *Queue) over(messages int, bytes int64) bool {
	s := &q.Settings
	return s.MaxLength != settings.None && int64(q.ready.len()+q.delayed.Len()+q.Kept+messages) > s.MaxLength ||
		s.MaxBytes != settings.None && q.bytes+bytes > s.MaxBytes
}

// RenewLease restarts the time for which a queue may be unused.
func (q *Queue) RenewLease() {
	if q.Settings.Unused != settings.None && q.consumers == 0 {
		q.lease.Set(time.Now().Add(millis(q.Settings.Unused)))
	}
}

// expire deletes a queue that was unused for too long. As in RabbitMQ, its messages are not
// dead-lettered.
func (q *Queue) expire() {
	q.Expired = true
	q.host.Remove(q)
	q.Silence()
	for _, e := range q.delayed.returned {
		q.host.Drop(q.Name, e.Message, "", "the queue expired")
	}
	q.delayed = delayed{}
	for q.ready.len() > 0 {
		q.host.Drop(q.Name, q.pop().Message, "", "the queue expired")
	}
}

// Silence stops the queue's alarms.
func (q *Queue) Silence() {
	q.head.Set(time.Time{})
	q.next.Set(time.Time{})
	q.lease.Set(time.Time{})
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
