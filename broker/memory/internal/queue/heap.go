package queue

import "container/heap"

// sooner is a heap of entries, the one that goes first at index 0.
type sooner struct {
	entries []*Entry
	less    func(a, b *Entry) bool
}

var _ heap.Interface = (*sooner)(nil)

// requeued is ordered by place. Requeued entries are delivered before all entries never delivered,
// which came after them: so a message gets its old place back without a search for it.
func requeued() sooner { return sooner{less: func(a, b *Entry) bool { return a.order < b.order }} }

// delayed is ordered by the end of the wait: of the failed entries that wait for their next delivery.
func delayed() sooner {
	return sooner{less: func(a, b *Entry) bool {
		if a.due.Equal(b.due) {
			return a.order < b.order
		}
		return a.due.Before(b.due)
	}}
}

func (s *sooner) push(e *Entry) { heap.Push(s, e) }

func (s *sooner) first() *Entry { return s.entries[0] }

func (s *sooner) pop() *Entry {
	e := s.entries[0]
	heap.Pop(s)
	return e
}

func (s *sooner) Len() int           { return len(s.entries) }
func (s *sooner) Less(i, j int) bool { return s.less(s.entries[i], s.entries[j]) }
func (s *sooner) Swap(i, j int)      { s.entries[i], s.entries[j] = s.entries[j], s.entries[i] }

// Push is for container/heap.
func (s *sooner) Push(v any) {
	if e, ok := v.(*Entry); ok { // nothing else is pushed
		s.entries = append(s.entries, e)
	}
}

// Pop is for container/heap.
func (s *sooner) Pop() any {
	last := len(s.entries) - 1
	s.entries[last] = nil
	s.entries = s.entries[:last]
	return nil
}
