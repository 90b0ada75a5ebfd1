package memory

import (
	"math/bits"

	"github.com/gowarren/warren/broker"
)

// priorities says which priorities a queue distinguishes.
type priorities int

const (
	one        priorities = iota // delivered in the order of arrival
	twoClasses                   // 5 and higher, and the others, whose turn is every third
	strict                       // 0 to 31, higher first
)

const (
	maxPriority     = 31 // higher ones count as this
	defaultPriority = 4  // of a message that has none
	turns           = 3  // of two classes; the last one is the lower's
)

// backlog holds the entries that were never delivered.
type backlog struct {
	priorities
	levels []deque[*entry] // a higher level goes first
	filled uint32          // has a bit for each level that is not empty
	count  int
	turn   int
}

func (m *model) newBacklog(kind broker.QueueType) backlog {
	b := backlog{}
	if kind == broker.Quorum {
		b.priorities = m.priorities
	}
	b.levels = make([]deque[*entry], map[priorities]int{one: 1, twoClasses: 2, strict: maxPriority + 1}[b.priorities])
	return b
}

// level returns where an entry belongs.
func (b *backlog) level(e *entry) int {
	p := int(e.message.envelope.Priority)
	switch b.priorities {
	case one:
	case twoClasses:
		if p > defaultPriority {
			return 1
		}
	case strict:
		if p == 0 && !e.message.envelope.PriorityZero {
			return defaultPriority
		}
		return min(p, maxPriority)
	}
	return 0
}

func (b *backlog) len() int { return b.count }

func (b *backlog) pushBack(e *entry) {
	level := b.level(e)
	b.levels[level].pushBack(e)
	b.filled |= 1 << level
	b.count++
}

// next returns the level whose turn it is; the backlog must not be empty.
func (b *backlog) next() int {
	if b.priorities == twoClasses && b.turn == turns-1 && b.filled&1 != 0 {
		return 0
	}
	return bits.Len32(b.filled) - 1
}

// front returns the next entry without taking it; the backlog must not be empty.
func (b *backlog) front() *entry { return b.levels[b.next()].front() }

// popFront takes the next entry; the backlog must not be empty.
func (b *backlog) popFront() *entry {
	level := b.next()
	e := b.levels[level].popFront()
	if b.levels[level].len() == 0 {
		b.filled &^= 1 << level
	}
	b.count--
	b.pass()
	return e
}

// pass counts the turn of an entry that was never here, because a consumer waited for it.
func (b *backlog) pass() { b.turn = (b.turn + 1) % turns }
