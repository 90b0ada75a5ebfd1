package queue

import (
	"math/bits"

	"github.com/gowarren/warren/broker/memory/internal/deque"
	"github.com/gowarren/warren/broker/memory/internal/version"
)

const (
	maxPriority     = 31 // higher ones count as this
	defaultPriority = 4  // of a message that has none
	turns           = 3  // of two classes; the last one is the lower's
)

// backlog holds the entries that were never delivered.
type backlog struct {
	priorities version.Priorities
	levels     []deque.Deque[*Entry] // a higher level goes first
	filled     uint32                // has a bit for each level that is not empty
	count      int
	turn       int
}

func newBacklog(p version.Priorities) backlog {
	levels := map[version.Priorities]int{version.One: 1, version.TwoClasses: 2, version.Strict: maxPriority + 1}[p]
	return backlog{priorities: p, levels: make([]deque.Deque[*Entry], levels)}
}

// level returns where an entry belongs.
func (b *backlog) level(e *Entry) int {
	p := int(e.Envelope.Priority)
	switch b.priorities {
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

func (b *backlog) pushBack(e *Entry) {
	level := b.level(e)
	b.levels[level].PushBack(e)
	b.filled |= 1 << level
	b.count++
}

// next returns the level whose turn it is; the backlog must not be empty.
func (b *backlog) next() int {
	if b.priorities == version.TwoClasses && b.turn == turns-1 && b.filled&1 != 0 {
		return 0
	}
	return bits.Len32(b.filled) - 1
}

// front returns the next entry without taking it; the backlog must not be empty.
func (b *backlog) front() *Entry { return b.levels[b.next()].Front() }

// popFront takes the next entry; the backlog must not be empty.
func (b *backlog) popFront() *Entry {
	level := b.next()
	e := b.levels[level].PopFront()
	if b.levels[level].Len() == 0 {
		b.filled &^= 1 << level
	}
	b.count--
	b.pass()
	return e
}

// pass counts the turn of an entry that was never here, because a consumer waited for it.
func (b *backlog) pass() { b.turn = (b.turn + 1) % turns }
