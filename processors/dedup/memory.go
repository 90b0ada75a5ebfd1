package dedup

import (
	"container/list"
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
	marks map[string]*list.Element // by their ids
	order *list.List               // of *mark, the one that was marked last at the back
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
	return &Memory{size: size, keep: keep, marks: map[string]*list.Element{}, order: list.New()}
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
	e, ok := m.marks[id]
	return ok && time.Since(markOf(e).at) < m.keep, m.Check()
}

// Mark remembers id from now on. It never blocks.
func (m *Memory) Mark(_ context.Context, id string) error {
	if problem := m.Check(); problem != nil {
		return problem
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.marks[id]
	switch {
	case known:
	case m.order.Len() < m.size:
		e = m.order.PushBack(&mark{})
	default: // the oldest makes room
		e = m.order.Front()
		delete(m.marks, markOf(e).id)
	}
	*markOf(e) = mark{id, time.Now()}
	m.order.MoveToBack(e)
	m.marks[id] = e
	return nil
}

func markOf(e *list.Element) *mark { return e.Value.(*mark) } //nolint:forcetypeassert // the list holds nothing else
