package dedup

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gowarren/warren/internal/option"
	"github.com/gowarren/warren/processor"
)

// Memory is a [Store] in the process. It is lost when the process ends, and other
// processes do not see it: it finds what is delivered again after a lost connection, or
// sent twice within a short time, in a service of one instance.
type Memory struct {
	size int
	keep time.Duration

	mu    sync.Mutex
	marks map[string]time.Time
	order []mark // a ring once it is full
	next  int    // the oldest of it then
}

type mark struct {
	id string
	at time.Time
}

var (
	_ Store             = (*Memory)(nil)
	_ processor.Checker = (*Memory)(nil)
)

// NewMemory returns an empty store of the last size ids, each kept for that long. An id
// takes about 300 bytes. A stack refuses a store of no ids, or for less than a millisecond.
func NewMemory(size int, keep time.Duration) *Memory {
	return &Memory{size: size, keep: keep, marks: map[string]time.Time{}}
}

// Check returns why the store cannot work, as one that NewMemory has not made.
func (m *Memory) Check() error {
	if m == nil {
		return errNoStore
	}
	if m.size < 1 || m.keep <= 0 {
		return fmt.Errorf("dedup: the store is NewMemory(%d, %v): both must be positive", m.size, m.keep)
	}
	return option.Unit("dedup: the time of NewMemory", m.keep, time.Millisecond)
}

// Seen reports whether id was marked. It waits for nothing, and does not make it younger.
func (m *Memory) Seen(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.marks[id]
	return ok && time.Since(at) < m.keep, m.Check()
}

// Mark remembers id from now on. It waits for nothing.
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
