package dedup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Memory is a [Store] in the process. It is lost when the process ends, and not shared with others.
// In a service of one instance it finds messages redelivered after a lost connection, or sent twice
// within a short time.
type Memory struct {
	size int
	keep time.Duration

	mu    sync.Mutex
	marks map[string]time.Time
	order []mark // a ring once full
	next  int    // the oldest in the ring
}

type mark struct {
	id string
	at time.Time
}

var (
	_ Store             = (*Memory)(nil)
	_ processor.Checker = (*Memory)(nil)
)

// NewMemory returns an empty store of the last size ids, each kept for that long. An id takes about
// 300 bytes. A stack refuses a size below 1, or a time below a millisecond.
func NewMemory(size int, keep time.Duration) *Memory {
	return &Memory{size: size, keep: keep, marks: map[string]time.Time{}}
}

// Check returns why the store cannot work, such as one not made by NewMemory.
func (m *Memory) Check() error {
	if m == nil {
		return errNoStore
	}
	if m.size < 1 || m.keep <= 0 {
		return fmt.Errorf("dedup: the store is NewMemory(%d, %v): both must be positive", m.size, m.keep)
	}
	return option.Unit("dedup: the time of NewMemory", m.keep, time.Millisecond)
}

// Seen reports whether id was marked. It never blocks, and does not extend the time that the mark
// is kept.
func (m *Memory) Seen(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.marks[id]
	return ok && time.Since(at) < m.keep, m.Check()
}

// Mark remembers id from now on. It never blocks.
func (m *Memory) Mark(_ context.Context, id string) error {
	if problem := m.Check(); problem != nil {
		return problem
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := mark{id, time.Now()}
	if len(m.order) < m.size {
		m.order = append(m.order, now)
	} else {
		m.forget(m.order[m.next])
		m.order[m.next] = now
		m.next = (m.next + 1) % m.size
	}
	m.marks[id] = now.at
	return nil
}

// forget forgets a mark, unless its id was marked again.
func (m *Memory) forget(old mark) {
	if m.marks[old.id].Equal(old.at) {
		delete(m.marks, old.id)
	}
}
