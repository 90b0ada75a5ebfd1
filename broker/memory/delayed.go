package memory

import (
	"container/heap"
	"time"
)

// delayed holds the failed entries that wait for their next delivery, the earliest first. It is
// a heap.
type delayed []*entry

var _ heap.Interface = (*delayed)(nil)

func (d delayed) Len() int      { return len(d) }
func (d delayed) Swap(i, j int) { d[i], d[j] = d[j], d[i] }

func (d delayed) Less(i, j int) bool {
	if d[i].due.Equal(d[j].due) {
		return d[i].order < d[j].order
	}
	return d[i].due.Before(d[j].due)
}

// Push is for container/heap.
func (d *delayed) Push(v any) { (*returned)(d).Push(v) }

// Pop is for container/heap.
func (d *delayed) Pop() any { return (*returned)(d).Pop() }

// delay makes a failed entry wait, for longer with each failure.
func (q *queue) delay(e *entry) {
	wait := q.retryMax
	if e.attempts <= q.retryMax/q.retryMin { // the product cannot overflow
		wait = e.attempts * q.retryMin
	}
	e.due = time.Now().Add(millis(wait))
	q.bytes += int64(e.size()) // waiting entries count toward the length limits
	heap.Push(&q.delayed, e)
}

// resume gives back the entries that have waited long enough.
func (q *queue) resume() {
	for len(q.delayed) > 0 && !time.Now().Before(q.delayed[0].due) {
		if e, ok := heap.Pop(&q.delayed).(*entry); ok {
			q.bytes -= int64(e.size())
			q.restore(e)
		}
	}
	if len(q.delayed) > 0 {
		q.next.set(q.delayed[0].due)
	} else {
		q.next.set(time.Time{})
	}
}
