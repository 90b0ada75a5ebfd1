package queue

import (
	"container/heap"
	"time"

	"github.com/gowarren/warren/broker"
	"github.com/gowarren/warren/broker/memory/internal/message"
	"github.com/gowarren/warren/broker/memory/internal/settings"
)

// The caller balances the queue after each of these.

// Retry gives back an entry whose delivery failed.
func (q *Queue) Retry(e *Entry) {
	switch dead := q.fail(e); {
	case dead:
	case q.Settings.DelaysRetries() && !q.Expired:
		q.delay(e)
	default:
		q.giveBack(e)
	}
}

// Reject dead-letters an entry.
func (q *Queue) Reject(e *Entry) {
	e.attempts++
	q.bury(e, message.Rejected)
}

// Release requeues an entry that was not processed.
func (q *Queue) Release(e *Entry) {
	if q.model.ReleaseCounts && q.fail(e) {
		return
	}
	q.giveBack(e)
}

// Abandon is Release for an entry that was unsettled when its subscription was closed.
func (q *Queue) Abandon(e *Entry) {
	if q.model.ReleaseCounts && q.fail(e) {
		return
	}
	q.restore(e)
}

// fail counts a failed delivery. It returns true if the message has died of it.
func (q *Queue) fail(e *Entry) bool {
	e.attempts++
	limit := q.Settings.DeliveryLimit
	if limit == settings.None && q.Settings.Type == broker.Quorum {
		limit = q.model.DeliveryLimit
	}
	if limit == settings.None || e.attempts <= limit {
		return false
	}
	q.bury(e, message.DeliveryLimit)
	return true
}

// delay makes a failed entry wait, for longer with each failure.
func (q *Queue) delay(e *Entry) {
	least, wait := q.Settings.RetryMin, q.Settings.RetryMax
	if e.attempts <= wait/least { // the product cannot overflow
		wait = e.attempts * least
	}
	e.due = time.Now().Add(millis(wait))
	q.bytes += e.Size() // waiting entries count toward the length limits
	heap.Push(&q.delayed, e)
}

// giveBack puts an entry where it was before its delivery; see [version.Model].
func (q *Queue) giveBack(e *Entry) {
	if q.Expired || !q.model.ReturnsToTail || q.Settings.Type != broker.Quorum || q.Settings.DeliveryLimit != settings.None {
		q.restore(e)
		return
	}
	e.returns++
	q.bytes += e.Size()
	e.order = q.nextOrder()
	q.ready.pushBack(e)
}
