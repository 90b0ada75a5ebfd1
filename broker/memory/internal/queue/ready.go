package queue

import (
	"container/heap"
	"math/bits"

	"github.com/gowarren/warren/broker/memory/internal/version"
)

const (
	maxPriority     = 31 // higher ones count as this
	defaultPriority = 4  // of a message that has none
	turns           = 3  // of two classes; the last one is the lower's
)

// ready has the entries that wait for a consumer: first the requeued ones, then those never delivered.
type ready struct {
	returned   returned
	priorities version.Priorities
	fresh      []ring // a higher level goes first
	filled     uint32 // has a bit for each level that is not empty
	count      int    // of fresh entries
	turn       int
}

func newReady(p version.Priorities) ready {
	levels := map[version.Priorities]int{version.One: 1, version.TwoClasses: 2, version.Strict: maxPriority + 1}[p]
	return ready{priorities: p, fresh: make([]ring, levels)}
}

func (r *ready) len() int { return len(r.returned) + r.count }

// level returns where a fresh entry belongs.
func (r *ready) level(e *Entry) int {
	p := int(e.Envelope.Priority)
	switch r.priorities {
	case version.One:
	case version.TwoClasses:
		if p > defaultPriority {
			return 1
		}
	case version.Strict:
		if p == 0 && !e.Envelope.PriorityZero {
			return defaultPriority
		}
		return min(p, maxPriority)
	}
	return 0
}

// pushBack adds an entry behind the fresh ones of its level.
func (r *ready) pushBack(e *Entry) {
	level := r.level(e)
	r.fresh[level].pushBack(e)
	r.filled |= 1 << level
	r.count++
}

// next returns the level of fresh entries whose turn it is; there must be one.
func (r *ready) next() int {
	if r.priorities == version.TwoClasses && r.turn == turns-1 && r.filled&1 != 0 {
		return 0
	}
	return bits.Len32(r.filled) - 1
}

// first returns the next entry without taking it, or nil.
func (r *ready) first() *Entry {
	switch {
	case len(r.returned) > 0:
		return r.returned[0]
	case r.count > 0:
		return r.fresh[r.next()].first()
	}
	return nil
}

// pop takes the next entry; there must be one.
func (r *ready) pop() *Entry {
	if len(r.returned) > 0 {
		e := r.returned[0]
		heap.Pop(&r.returned)
		return e
	}
	level := r.next()
	e := r.fresh[level].popFront()
	if r.fresh[level].count == 0 {
		r.filled &^= 1 << level
	}
	r.count--
	r.pass()
	return e
}

// pass counts the turn of a fresh entry, also of one that was never here because a consumer waited for it.
func (r *ready) pass() { r.turn = (r.turn + 1) % turns }
