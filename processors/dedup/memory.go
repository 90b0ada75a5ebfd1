package dedup

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Memory is a [Store] in the process. It is lost when the process ends, and other
// processes do not see it: it finds what is delivered again after a lost connection, or
// sent twice within a short time, in a service of one instance.
type Memory struct {
	size    int
	keep    time.Duration
	problem error

	mu    sync.Mutex
	marks map[string]time.Time
	order []mark // a ring once it is full
	next  int    // the oldest of it then
}

type mark struct {
	id string
	at time.Time
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store of the last size ids, each kept for that long. An id
// takes about 300 bytes. A stack refuses a store whose size or time is not positive.
func NewMemory(size int, keep time.Duration) *Memory {
	m := &Memory{size: size, keep: keep, marks: map[string]time.Time{}}
	if size < 1 || keep <= 0 {
		m.problem = fmt.Errorf("dedup: NewMemory(%d, %v): both must be positive", size, keep)
	}
	return m
}

// Seen reports whether id was marked. It waits for nothing, and does not make it younger.
func (m *Memory) Seen(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.marks[id]
	return ok && time.Since(at) < m.keep, m.problem
}

// Mark remembers id from now on. It waits for nothing.
func (m *Memory) Mark(_ context.Context, id string) error {
	if m.problem != nil {
		return m.problem
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
