package memory

import "container/heap"

// returned is a heap of the requeued entries, by their order. They are delivered before all
// entries never delivered, which came after them: so a message gets its old place back without a
// search for it.
type returned []*entry

var _ heap.Interface = (*returned)(nil)

func (r returned) Len() int           { return len(r) }
func (r returned) Less(i, j int) bool { return r[i].order < r[j].order }
func (r returned) Swap(i, j int)      { r[i], r[j] = r[j], r[i] }

// Push is for container/heap.
func (r *returned) Push(v any) {
	if e, ok := v.(*entry); ok { // nothing else is pushed
		*r = append(*r, e)
	}
}

// Pop is for container/heap.
func (r *returned) Pop() any {
	last := len(*r) - 1
	e := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return e
}
